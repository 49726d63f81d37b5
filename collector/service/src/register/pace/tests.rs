use rollcall_domain::inventory::Properties;
use tokio::time::advance;

use super::*;

const INTERVAL: Duration = Duration::from_secs(10);

fn id(id: i32) -> InstanceId {
    InstanceId::new(id).unwrap()
}

fn change(instance: i32, number: &str) -> Description {
    Description {
        instance: id(instance),
        generation: None,
        properties: [("process_no", number)].into_iter().collect(),
    }
}

fn numbers(pacer: &Pacer) -> Vec<String> {
    let number = |properties: &Properties| properties.get("process_no").unwrap().to_owned();
    pacer
        .due()
        .iter()
        .map(|due| number(&due.properties))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_newest_deferred_change_is_written_when_the_interval_ends() {
    let mut pacer = Pacer::new(INTERVAL, &Metrics::new());
    assert!(!pacer.defers(id(1)));
    pacer.record(id(1));
    assert!(pacer.defers(id(1)) && !pacer.defers(id(2)));
    assert_eq!(pacer.next_due(), None, "nothing waits");
    for number in ["1", "2"] {
        pacer.committed(Changes {
            changed: Vec::new(),
            deferred: vec![change(1, number)],
        });
    }
    assert_eq!(pacer.next_due(), Some(Instant::now() + INTERVAL));
    advance(INTERVAL - Duration::from_millis(1)).await;
    pacer.release();
    assert!(pacer.due().is_empty());
    advance(Duration::from_millis(1)).await;
    pacer.release();
    assert_eq!(numbers(&pacer), ["2"]);
    // The batch failed and is built again.
    pacer.release();
    assert_eq!(numbers(&pacer), ["2"]);
    pacer.committed(Changes {
        changed: vec![id(1)],
        deferred: Vec::new(),
    });
    assert!(pacer.due().is_empty() && pacer.defers(id(1)));
    assert_eq!(pacer.deferred_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn deferred_changes_are_bounded() {
    let mut pacer = Pacer::new(INTERVAL, &Metrics::new());
    let long = "x".repeat(60_000);
    for instance in 1..=1_000 {
        pacer.record(id(instance));
        pacer.defer(change(instance, &long));
        pacer.defer(change(instance, &long));
    }
    assert!(pacer.deferred_bytes <= DEFERRED_BYTES);
    assert!(pacer.deferred.len() < 1_000);
    advance(INTERVAL).await;
    pacer.release();
    assert_eq!((pacer.deferred_bytes, pacer.order.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_nothing_has_to_wait() {
    let mut pacer = Pacer::new(Duration::ZERO, &Metrics::new());
    pacer.record(id(1));
    assert!(!pacer.defers(id(1)));
}
