//! A collector reports an id as unknown only after a fresh read of the shared store, because the agent then drops its ids.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use parking_lot::Mutex;
use rollcall_domain::{
    Timestamp,
    inventory::{Instance, Row},
};

use super::*;

/// The number of ids that the fixture adopts.
const MAX_ADOPTED: i32 = 16;

/// A store whose watch is slow: only a fresh read finds the writes of another collector.
#[derive(Clone, Debug, Default)]
struct Slow {
    inner: Memory,
    unread: Arc<Mutex<Vec<Record>>>,
    is_unavailable: Arc<AtomicBool>,
}

impl Slow {
    /// Another collector assigns this id.
    fn assigned_elsewhere(&self, id: i32) {
        let row = Instance {
            id: instance(id),
            application: Some(application(-1)),
            uuid: Some(format!("process {id}").into()),
            registered_at: Timestamp::from_millis(0),
            generation: None,
            adopted: false,
            properties: Properties::default(),
        };
        self.unread.lock().push(Record::Row(Row::Instance(row)));
    }
}

impl Storage for Slow {
    fn is_shared(&self) -> bool {
        true
    }

    fn counts(&mut self) -> Result<storage::Counts, storage::Error> {
        self.inner.counts()
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), storage::Error> {
        self.inner.load(sink)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<storage::Commit, storage::Error> {
        self.inner.commit(batch)
    }

    fn read_latest(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), storage::Error> {
        if self.is_unavailable.load(SeqCst) {
            return Err(storage::Error::Unavailable {
                store: "the test's store".to_owned(),
                reason: "it is unavailable".to_owned(),
            });
        }
        self.unread.lock().drain(..).for_each(sink);
        Ok(())
    }
}

/// The report of an agent about the ids that it holds.
pub(super) fn recovery(id: i32) -> Recovery {
    Recovery {
        application: application(-1),
        instance: instance(id),
        generation: None,
        properties: Properties::default(),
    }
}

/// A collector that has adopted the maximum number of ids.
async fn full() -> (Slow, Services, JoinHandle<Result<(), Failure>>) {
    let store = Slow::default();
    let (services, workers) = parts(store.clone());
    let writer = start(workers.writer);
    for id in 1..=MAX_ADOPTED {
        services.register.recover(recovery(id)).await.unwrap();
    }
    (store, services, writer)
}

#[tokio::test]
async fn an_id_that_another_collector_assigned_is_recovered_and_renewed() {
    let (store, services, writer) = full().await;
    store.assigned_elsewhere(101);
    services.register.recover(recovery(101)).await.unwrap();

    store.assigned_elsewhere(102);
    let one = services.heartbeat.renew(sign(102, Signal::Heartbeat)).await;
    one.unwrap();

    store.assigned_elsewhere(103);
    let many = [103, 7].map(|id| sign(id, Signal::TraceSegment));
    services.heartbeat.renew_all(many).await.unwrap();
    for id in [101, 102, 103] {
        let seen = services.roster.instance(instance(id)).unwrap();
        assert_eq!(
            (seen.state, seen.instance.adopted),
            (State::Up, false),
            "{id}"
        );
    }
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn an_id_that_no_collector_assigned_is_reported_as_unknown() {
    let (_store, services, writer) = full().await;
    let refused = services.register.recover(recovery(201)).await;
    assert!(
        matches!(refused, Err(Error::TooManyAdopted(_))),
        "{refused:?}"
    );
    let refused = services.heartbeat.renew(sign(202, Signal::Heartbeat)).await;
    assert!(
        matches!(refused, Err(Error::TooManyAdopted(_))),
        "{refused:?}"
    );
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn an_id_is_not_reported_as_unknown_while_the_store_cannot_be_read() {
    let (store, services, writer) = full().await;
    store.assigned_elsewhere(301);
    store.is_unavailable.store(true, SeqCst);
    let refused = services.register.recover(recovery(301)).await;
    assert!(
        matches!(refused, Err(Error::StoreUnavailable)),
        "{refused:?}"
    );
    let refused = services.heartbeat.renew(sign(301, Signal::Heartbeat)).await;
    assert!(
        matches!(refused, Err(Error::StoreUnavailable)),
        "{refused:?}"
    );
    services.register.stop();
    writer.join().unwrap().unwrap();
}
