//! A store that refuses a value, and instances that change constantly.

use std::time::Duration;

use rollcall_domain::inventory::{Generation, NewInstance, Properties};
use rollcall_storage::faulty::Picky;
use tokio::task::JoinSet;

use super::*;
use crate::testing::parts_paced;

#[tokio::test]
async fn a_value_that_the_store_refuses_fails_alone() {
    const CALLERS: usize = QUEUE_CAPACITY;
    let (services, workers) = parts(Picky(Memory::default()));
    // All calls wait for the writer, so they are in one batch.
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let register = services.register.clone();
        let code = match number % 8 {
            7 => format!("refused {number}"),
            _ => number.to_string(),
        };
        callers.spawn(async move {
            let id = register.application(&code).await;
            (code, id)
        });
    }
    while services.register.queue_depth() < CALLERS {
        tokio::task::yield_now().await;
    }
    let writer = start(workers.writer);
    for (code, id) in callers.join_all().await {
        match id {
            Ok(_) => assert!(!code.starts_with("refused"), "{code}"),
            Err(error) => {
                assert!(code.starts_with("refused"), "{code}: {error}");
                assert!(matches!(error, Error::Refused { .. }), "{error}");
                assert!(!error.retryable());
            }
        }
    }
    assert!(!services.readiness.is_degraded("storage"));
    services.register.stop();
    writer.join().unwrap().unwrap();
}

fn commits(services: &Services) -> usize {
    let text = services.exposition();
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("rollcall_commit_seconds_count "));
    count.unwrap().parse().unwrap()
}

fn report(number: &str) -> NewInstance {
    let properties: Properties = [("process_no", number)].into_iter().collect();
    NewInstance {
        application: application(-1),
        uuid: "5a3c".into(),
        generation: Some(Generation::V8),
        properties,
    }
}

#[tokio::test]
async fn an_instance_that_changes_constantly_is_stored_in_its_newest_state_once_per_interval() {
    const INTERVAL: Duration = Duration::from_millis(300);
    let (services, workers) = parts_paced(Memory::default(), INTERVAL);
    let writer = start(workers.writer);
    let id = services.register.instance(report("first")).await.unwrap();
    let number = || {
        let instance = services.roster.instance(id).unwrap().instance;
        instance.properties.get("process_no").unwrap().to_owned()
    };
    services.register.instance(report("changed")).await.unwrap();
    assert_eq!(number(), "changed", "the first change is stored at once");
    let before = commits(&services);
    for report_number in 0..500 {
        let process = report(&report_number.to_string());
        assert_eq!(services.register.instance(process).await.unwrap(), id);
    }
    // One change per interval. The calls take less than one interval, but not on every machine.
    let since = commits(&services) - before;
    assert!(since < 100, "{since} commits");
    while number() != "499" {
        sleep(Duration::from_millis(10)).await;
    }
    services.register.stop();
    writer.join().unwrap().unwrap();
}
