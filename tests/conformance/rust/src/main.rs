//! An application that uses the unmodified SkyWalking agent library for Rust. It executes commands from standard input until the
//! input ends. Usage: `conformance-rust CODE COLLECTOR`, with the token in `SW_AGENT_AUTHENTICATION`.
//!
//! Each line of the input is one command: `call OPERATION PEER` serves one request named OPERATION that calls PEER (`host:port`)
//! once. The output is `started` and the agent's log.

use std::{error::Error, process, time::Duration};

use skywalking::{
    management::{instance::Properties, manager::Manager},
    reporter::grpc::GrpcReporter,
    trace::tracer::Tracer,
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// The period of the heartbeats, which the application has to choose, because the library has no default.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Every second heartbeat reports the properties.
const PROPERTIES_FACTOR: usize = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [code, collector] = arguments.as_slice() else {
        return Err("usage: conformance-rust CODE COLLECTOR".into());
    };
    let instance = format!("{code}-{}", process::id());
    let token = std::env::var("SW_AGENT_AUTHENTICATION")?;
    let reporter = GrpcReporter::connect(format!("http://{collector}")).await?;
    let reporter = reporter.with_authentication(token);
    let _reporting = reporter.reporting().await.spawn();
    let manager = Manager::new(code, &instance, reporter.clone());
    let _keeping_alive = manager.report_and_keep_alive(properties, HEARTBEAT, PROPERTIES_FACTOR);
    println!("started");

    let tracer = Tracer::new(code, &instance, reporter);
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["call", operation, peer] => {
                let mut context = tracer.create_trace_context();
                let _entry = context.create_entry_span(operation);
                let _exit = context.create_exit_span(operation, peer);
            }
            _ => return Err(format!("unknown command: {line}").into()),
        }
    }
    Ok(())
}

fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert_os_info();
    properties
}
