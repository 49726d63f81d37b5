//! An application without an async runtime: `cargo run -p rollcall-agent --example plain [naming server]`.
//!
//! Registers, waits for the id of an operation, logs the ids, and ends. Without a collector it logs the reason.

use std::{env, error::Error, io, time::Duration};

use rollcall_agent::{Agent, OperationId, Phase, SpanType};

/// The longest time that this program waits for a collector, and then for an id. The agent itself never gives up.
const PATIENCE: Duration = Duration::from_secs(15);

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let server = env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:10800".to_owned());

    // Returns at once, even if no collector is available.
    let agent = Agent::builder("plain-example")
        .collectors([server])
        .start()?;

    let running = agent
        .subscribe()
        .wait_for(PATIENCE, |status| status.phase == Phase::Running);
    match running {
        Ok(status) => tracing::info!(
            application = ?status.application_id,
            instance = ?status.instance_id,
            collector = ?status.collector,
            "registered"
        ),
        Err(status) => tracing::warn!(error = ?status.last_error, "not registered"),
    }

    // The work of an application: serve a request, and write its span with the id of the operation, or with the name while no id is
    // known. Then report that the segment is finished.
    let operation = "GET /orders";
    match wait_for_id(&agent, operation) {
        Some(id) => tracing::info!(operation, %id, "the span carries the id"),
        None => tracing::info!(operation, "the span carries the name"),
    }
    agent.segment_finished();

    // Reports to the collector that this process ends on purpose.
    agent.shutdown(Duration::from_secs(1))?;
    Ok(())
}

/// The first call queues the name, and a later call returns the id. A real application does not wait: it uses the name until then.
fn wait_for_id(agent: &Agent, operation: &str) -> Option<OperationId> {
    let mut changes = agent.subscribe();
    for _ in 0..PATIENCE.as_secs() {
        if let Some(id) = agent.operation(operation, SpanType::Entry) {
            return Some(id);
        }
        // A pause of a second; shorter if the agent's status changes.
        drop(changes.wait(Duration::from_secs(1)));
    }
    None
}
