//! Inventories and rosters that differ from those of other collectors.

use super::*;

#[tokio::test]
async fn an_inventory_that_differs_is_reported_and_the_store_is_reloaded() {
    let mut store = Contested::default();
    let unread = Arc::clone(&store.unread);
    let (services, writer) = at_work(store.clone());
    let mut events = services.events.subscribe();
    let mut agreement = async || loop {
        if let Some((about, agrees)) = agreement(events.recv().await.unwrap()) {
            assert_eq!(about, Shared::Inventory);
            break agrees;
        }
    };
    let whole = [named(-1, "orders"), named(2, "stock")];
    let digest = {
        let mut model = Allocator::new(Limits {
            assigned: 10,
            adopted: 10,
            bytes: usize::MAX,
        });
        for record in whole.clone() {
            if let Record::Row(row) = record {
                model.restore(row).unwrap();
            }
        }
        model.inventory().digest()
    };
    let rows: Vec<Row> = whole.clone().into_iter().filter_map(row).collect();
    let batch = Batch {
        rows: &rows,
        seen: &[],
        digest: None,
    };
    assert_eq!(store.commit(batch).unwrap(), Commit::Durable);
    store.digest.lock().replace(digest);
    // One row is lost in transit.
    unread
        .lock()
        .extend([named(-1, "orders"), Record::Digest(digest)]);
    services.register.catch_up();
    assert!(!agreement().await);
    assert!(agreement().await, "the whole store has both");
    assert!(
        services
            .exposition()
            .contains("rollcall_inventory_diverged 0")
    );
    assert_eq!(
        services.register.application("stock").await.unwrap(),
        application(2)
    );
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_roster_that_lacks_reported_entries_is_reported_and_repaired() {
    let store = Contested::default();
    let unread = Arc::clone(&store.unread);
    let (services, writer) = at_work(store);
    let mut events = services.events.subscribe();
    let last_seen = Clock::start().wall().before(Duration::from_secs(30));
    let seen = |instance, state| LastSeen {
        instance,
        last_seen,
        signal: Signal::JvmMetrics,
        state,
        usual: Duration::ZERO,
        forgotten: false,
        observer: None,
    };
    let (known, lost) = (seen(instance(7), State::Up), seen(instance(8), State::Down));
    unread.lock().extend([
        named(-1, "orders"),
        running(7, "u"),
        running(8, "v"),
        Record::LastSeen(known),
        Record::Unchanged(known),
        Record::Unchanged(lost),
    ]);
    services.register.catch_up();
    let agreement = loop {
        if let Some((about, agrees)) = agreement(events.recv().await.unwrap()) {
            break (about, agrees);
        }
    };
    assert_eq!(agreement, (Shared::Roster, false));
    assert_eq!(
        services.roster.instance(instance(8)).unwrap().state,
        State::Down
    );
    let metrics = services.exposition();
    assert!(
        metrics.contains("rollcall_roster_repaired_total 1"),
        "{metrics}"
    );
    services.register.stop();
    writer.join().unwrap().unwrap();
}
