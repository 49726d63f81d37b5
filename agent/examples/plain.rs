//! An application without any runtime: `cargo run -p rollcall-agent --example plain [naming server]`.
//!
//! Tells what the agent does until a line, or the end, is read from the standard input.

use std::{env, error::Error, io, thread, time::Duration};

use rollcall_agent::{Agent, SpanType};

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let server = env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10800".to_owned());

    // Returns at once, whether or not there is a collector.
    let agent = Agent::builder("plain-example")
        .collectors([server])
        .start()?;

    let mut changes = agent.subscribe();
    let teller = thread::spawn(move || {
        // Long waits, since only changes are of interest; it ends when the agent stops.
        while let Some(status) = changes.wait(Duration::MAX) {
            tracing::info!(phase = ?status.phase, collector = ?status.collector, instance = ?status.instance_id, "changed");
        }
    });

    for line in io::stdin().lines().take(1) {
        tracing::info!(line = line?, "read");
    }
    // The work of an application: finish a segment, name its operation by id, or by name while there is no id yet.
    agent.segment_finished();
    tracing::info!(id = ?agent.operation("read line", SpanType::Entry), "operation");

    agent.shutdown(Duration::from_secs(1))?;
    teller.join().map_err(|_panic| "the teller panicked")?;
    Ok(())
}
