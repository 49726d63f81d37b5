//! Tests that a fleet that becomes silent at once does not fill the log: the collector logs some of the lines and the number of the
//! omitted ones.

use std::time::Duration;

use rollcall_tests::{PATIENCE, eventually, process::Collector};
use tokio::task::JoinSet;

/// The number of instances: several times the number of lines that the log accepts per second.
const FLEET: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_goes_down_at_once_causes_few_lines_and_a_total() {
    let terms = [Duration::from_secs(5), Duration::from_secs(8)];
    let mut collector = Collector::options().terms(terms[0], terms[1]).start().await;
    // Only if this test is delayed.
    collector.expect_log("many instances fell silent at once");
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let mut processes = JoinSet::new();
    for number in 0..FLEET {
        let client = client.clone();
        processes.spawn(async move {
            let process = number.to_string();
            client.instance(application, &process).await.unwrap()
        });
    }
    // The registrations may take any time. These signals make all terms end within one second of each other.
    let instances = processes.join_all().await;
    let mut last_signals = JoinSet::new();
    for instance in instances {
        let client = client.clone();
        last_signals.spawn(async move { client.heartbeat(instance).await.unwrap() });
    }
    last_signals.join_all().await;
    for state in ["silent", "down"] {
        let (one, rest) = (
            format!("instance {state}"),
            format!("more instances {state}"),
        );
        let (lines, more) = eventually(PATIENCE, async || {
            let log = collector.log();
            let lines = log.iter().filter(|line| line.message == one).count();
            let counted = log.iter().filter(|line| line.message == rest);
            let more: u64 = counted
                .filter_map(|line| line.fields["more"].as_u64())
                .sum();
            let more = usize::try_from(more).expect("a small number");
            if lines + more == FLEET {
                Ok((lines, more))
            } else {
                Err(format!("{lines} lines and {more} more of {FLEET}"))
            }
        })
        .await;
        assert!(more > lines, "{state}: {lines} lines and {more} more");
    }
}
