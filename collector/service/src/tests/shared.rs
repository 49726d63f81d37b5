//! A store that other collectors write to.

mod differences;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_domain::{
    Timestamp,
    inventory::{Allocator, Application, Instance, Limits, Row},
};
use rollcall_runtime::Clock;
use rollcall_storage::{Commit, LastSeen};

use super::{
    departures::{reach, registered},
    *,
};
use crate::{events::Shared, readiness::Status};

/// The action of another collector, or of the network, at a commit.
#[derive(Debug)]
enum Turn {
    /// Another collector wrote these records first.
    Rival(Vec<Record>),
    /// The store does not answer.
    Unavailable,
    /// The store writes the batch but does not answer.
    Unanswered,
}

/// A store in which a [`Turn`] happens at each of the first commits.
#[derive(Clone, Debug, Default)]
struct Contested {
    inner: Memory,
    turns: Arc<Mutex<VecDeque<Turn>>>,
    unread: Arc<Mutex<Vec<Record>>>,
    /// The digest of everything that is stored.
    digest: Arc<Mutex<Option<u64>>>,
}

impl Contested {
    fn with(turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns = Arc::new(Mutex::new(turns.into_iter().collect()));
        Self {
            turns,
            ..Self::default()
        }
    }
}

impl Storage for Contested {
    fn is_shared(&self) -> bool {
        true
    }

    fn counts(&mut self) -> Result<storage::Counts, storage::Error> {
        self.inner.counts()
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), storage::Error> {
        self.inner.load(sink)?;
        let digest = *self.digest.lock();
        digest.into_iter().map(Record::Digest).for_each(sink);
        Ok(())
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, storage::Error> {
        match self.turns.lock().pop_front() {
            Some(Turn::Rival(wrote)) => {
                self.unread.lock().extend(wrote);
                Ok(Commit::Conflict)
            }
            Some(Turn::Unavailable) => Err(unavailable()),
            Some(Turn::Unanswered) => {
                let rows = batch.rows.iter().cloned();
                self.unread.lock().extend(rows.map(Record::Row));
                self.inner.commit(batch).and(Err(unavailable()))
            }
            None => self.inner.commit(batch),
        }
    }

    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), storage::Error> {
        self.unread.lock().drain(..).for_each(sink);
        Ok(())
    }
}

fn unavailable() -> storage::Error {
    storage::Error::Unavailable {
        store: "the test's store".to_owned(),
        reason: "it is unavailable".to_owned(),
    }
}

fn named(id: i32, code: &str) -> Record {
    Record::Row(Row::Application(Application {
        id: application(id),
        code: Some(code.into()),
        registered_at: Timestamp::from_millis(0),
        alias_of: None,
    }))
}

fn running(id: i32, uuid: &str) -> Record {
    Record::Row(Row::Instance(Instance {
        id: instance(id),
        application: Some(application(-1)),
        uuid: Some(uuid.into()),
        registered_at: Timestamp::from_millis(0),
        generation: None,
        adopted: false,
        properties: Properties::default(),
    }))
}

/// The use cases on `store`, with a running writer.
fn at_work(store: Contested) -> (Services, JoinHandle<Result<(), Failure>>) {
    let (services, workers) = parts(store);
    (services, start(workers.writer))
}

#[tokio::test]
async fn a_conflicting_batch_is_built_again_from_the_updated_inventory() {
    let rival = |id, code| Turn::Rival(vec![named(id, code)]);
    let store = Contested::with([rival(-1, "stock"), rival(2, "orders")]);
    let (services, writer) = at_work(store);
    let orders = services.register.application("orders");
    let (orders, pay) = tokio::join!(orders, services.register.application("pay"));
    assert_eq!(
        orders.unwrap(),
        application(2),
        "the id that the other collector assigned"
    );
    assert_eq!(pay.unwrap(), application(-2));
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_write_without_an_answer_is_found_and_its_id_is_assigned_once() {
    let (services, writer) = at_work(Contested::with([Turn::Unanswered]));
    let unanswered = services.register.application("orders").await;
    assert!(
        matches!(unanswered, Err(Error::StoreUnavailable)),
        "{unanswered:?}"
    );
    let stock = loop {
        if let Ok(id) = services.register.application("stock").await {
            break id;
        }
    };
    assert_eq!(stock, application(2));
    let orders = services.register.application("orders").await;
    assert_eq!(orders.unwrap(), application(-1));
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_full_queue_blocks_neither_a_catch_up_nor_a_stop() {
    let store = Contested::default();
    store.unread.lock().push(named(-1, "orders"));
    let (services, workers) = parts(store);
    let codes: Vec<String> = (0..QUEUE_CAPACITY).map(|n| n.to_string()).collect();
    let calls = codes.iter().map(|code| services.register.application(code));
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    for call in &mut calls {
        assert!(is_pending(&mut call.as_mut()).await);
    }
    services.register.catch_up();
    services.register.stop();
    start(workers.writer).join().unwrap().unwrap();
    for call in calls {
        call.await.unwrap();
    }
    let orders = services.register.application("orders").await;
    assert_eq!(orders.unwrap(), application(-1));
}

#[tokio::test]
async fn registrations_of_other_collectors_are_answered_listed_and_published() {
    let store = Contested::default();
    let unread = Arc::clone(&store.unread);
    let (services, writer) = at_work(store);
    let mut events = services.events.subscribe();
    unread.lock().extend([named(-1, "orders"), running(7, "u")]);
    services.register.catch_up();
    let event = happened(&mut events).await;
    assert_eq!(event.instance, instance(7));
    assert!(
        matches!(event.kind, InstanceKind::Registered(_)),
        "{event:?}"
    );
    assert_eq!(
        services.register.application("orders").await.unwrap(),
        application(-1)
    );
    let registered = services.register.instance(process(-1, "u")).await;
    assert_eq!(registered.unwrap(), instance(7));
    assert_eq!(
        services.roster.instance(instance(7)).unwrap().state,
        State::Up
    );
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn reports_of_other_collectors_about_an_instance_are_applied() {
    let store = Contested::default();
    let unread = Arc::clone(&store.unread);
    let (services, writer) = at_work(store);
    let mut events = services.events.subscribe();
    // Recent enough to be a plausible last-seen time.
    let lately = Clock::start()
        .wall()
        .before(Duration::from_secs(30))
        .millis();
    let seen = |state, millis| {
        Record::LastSeen(LastSeen {
            instance: instance(7),
            last_seen: Timestamp::from_millis(lately + millis),
            signal: Signal::JvmMetrics,
            state,
            usual: Duration::ZERO,
            forgotten: false,
            observer: None,
        })
    };
    unread.lock().extend([named(-1, "orders"), running(7, "u")]);
    for (reported, millis) in [
        (State::Up, 1),
        (State::Silent, 1),
        (State::Down, 1),
        (State::Up, 2),
    ] {
        unread.lock().push(seen(reported, millis));
        services.register.catch_up();
        while services
            .roster
            .instance(instance(7))
            .map(|known| known.state)
            != Some(reported)
        {
            events.recv().await.unwrap();
        }
    }
    let known = services.roster.instance(instance(7)).unwrap();
    assert_eq!(known.last_seen, Timestamp::from_millis(lately + 2));
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn an_unavailable_store_is_reported_at_once_and_retried() {
    let store = Contested::with([Turn::Unavailable, Turn::Unavailable]);
    let (services, writer) = at_work(store);
    let refused = services.register.application("orders").await;
    assert!(
        matches!(refused, Err(Error::StoreUnavailable)),
        "{refused:?}"
    );
    let Status::Degraded(reasons) = services.readiness.status() else {
        panic!("{:?}", services.readiness.status())
    };
    assert!(
        reasons["storage"].contains("it is unavailable"),
        "{reasons:?}"
    );
    let id = loop {
        match services.register.application("orders").await {
            Err(Error::StoreUnavailable) => tokio::task::yield_now().await,
            answer => break answer.unwrap(),
        }
    };
    assert_eq!(id, application(-1));
    assert_eq!(services.readiness.status(), Status::Ready);
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_store_that_contradicts_itself_ends_the_writer() {
    let store = Contested::default();
    let unread = Arc::clone(&store.unread);
    let (services, writer) = at_work(store);
    assert_eq!(
        services.register.application("orders").await.unwrap(),
        application(-1)
    );
    unread.lock().push(named(-1, "stock"));
    services.register.catch_up();
    let failure = writer.join().unwrap().unwrap_err();
    assert!(matches!(failure, Failure::Contradiction(_)), "{failure}");
}

fn row(record: Record) -> Option<Row> {
    match record {
        Record::Row(row) => Some(row),
        _ => None,
    }
}

#[tokio::test]
async fn changes_whose_early_write_failed_are_written_before_the_next_round() {
    let store = Contested::default();
    let (mut inner, turns) = (store.inner.clone(), Arc::clone(&store.turns));
    let (services, workers) = parts(store);
    let writer = start(workers.writer);
    let ids = registered(&services, 5).await;
    turns.lock().push_back(Turn::Unavailable);
    for id in &ids {
        services.core.leave(*id).unwrap();
    }
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(workers.write_back.run(stop.clone()));
    reach(&mut inner, &ids, State::Left).await;
    assert!(turns.lock().is_empty(), "the first write failed");
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
}
