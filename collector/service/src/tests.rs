mod adoption;
mod agreement;
mod departures;
mod doubt;
mod first_sign;
mod full;
mod limits;
mod liveness;
mod owner;
mod refused;
mod shared;
mod strays;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender};
use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{NewInstance, Properties},
    liveness::{Signal, State},
};
use rollcall_storage::{self as storage, Batch, Record, Storage, faulty::Faulty, memory::Memory};
use tokio::{
    sync::broadcast,
    task::JoinSet,
    time::{advance, sleep},
};
use tokio_util::sync::CancellationToken;

use liveness::signs_in;

use super::{
    Services,
    events::{Changed, CollectorEvent, Event, InstanceEvent, InstanceKind, Shared},
    heartbeat::Sign,
    register::{Error, Failure, Recovery, Writer},
    testing::{self, DEADLINE, Fixture, MAX_KEY_BYTES, QUEUE_CAPACITY, STALL, TERMS, TICK, parts},
};

/// A store whose commits wait until the test lets them through.
#[derive(Debug)]
struct Gated {
    inner: Memory,
    /// Receives the number of rows when a commit begins.
    begun: Sender<usize>,
    pass: Receiver<()>,
}

struct Gate {
    begun: Receiver<usize>,
    pass: Sender<()>,
}

fn gated() -> (Gated, Gate) {
    let (begun_sender, begun) = crossbeam_channel::unbounded();
    let (pass, pass_receiver) = crossbeam_channel::unbounded();
    let storage = Gated {
        inner: Memory::default(),
        begun: begun_sender,
        pass: pass_receiver,
    };
    (storage, Gate { begun, pass })
}

impl Storage for Gated {
    fn counts(&mut self) -> Result<storage::Counts, storage::Error> {
        self.inner.counts()
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), storage::Error> {
        self.inner.load(sink)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<storage::Commit, storage::Error> {
        self.begun.send(batch.rows.len()).unwrap();
        self.pass.recv().unwrap();
        self.inner.commit(batch)
    }
}

fn application(raw: i32) -> ApplicationId {
    ApplicationId::new(raw).unwrap()
}

fn instance(raw: i32) -> InstanceId {
    InstanceId::new(raw).unwrap()
}

fn process(application_id: i32, uuid: &str) -> NewInstance {
    NewInstance {
        application: application(application_id),
        uuid: uuid.into(),
        generation: None,
        properties: Properties::default(),
    }
}

fn sign(raw: i32, signal: Signal) -> Sign {
    Sign {
        instance: instance(raw),
        application: None,
        signal,
    }
}

/// Runs a writer on a separate thread.
fn start(writer: Writer) -> JoinHandle<Result<(), Failure>> {
    thread::spawn(move || writer.run())
}

/// The next event of an instance.
async fn happened(events: &mut broadcast::Receiver<Event>) -> InstanceEvent {
    match events.recv().await.unwrap() {
        Event::Instance(event) => event,
        event @ (Event::Service(_) | Event::Collector(_)) => panic!("{event:?}"),
    }
}

/// Whether the event reports that the inventory or the roster agrees; `None` for another event.
fn agreement(event: Event) -> Option<(Shared, bool)> {
    let Event::Collector(event) = event else {
        return None;
    };
    match *event {
        CollectorEvent::Agreed { about } => Some((about, true)),
        CollectorEvent::Diverged { about } => Some((about, false)),
        _ => None,
    }
}

/// Polls once.
async fn is_pending<F: Future>(future: &mut Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn no_id_is_returned_or_visible_before_its_batch_is_durable() {
    let (storage, gate) = gated();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    let mut call = pin!(services.register.application("orders"));
    assert!(is_pending(&mut call).await);
    gate.begun.recv().unwrap();
    assert!(
        is_pending(&mut call).await,
        "returned before the commit was durable"
    );
    assert!(services.roster.applications(None, 10).items.is_empty());
    gate.pass.send(()).unwrap();
    assert_eq!(call.await.unwrap(), application(-1));
    assert_eq!(services.roster.applications(None, 10).items.len(), 1);
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn calls_during_a_commit_share_the_next_one() {
    let (storage, gate) = gated();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    let mut first = pin!(services.register.application("first"));
    assert!(is_pending(&mut first).await);
    gate.begun.recv().unwrap();
    let mut others: Vec<_> = ["a", "b", "a", "c", "b"]
        .into_iter()
        .map(|code| Box::pin(services.register.application(code)))
        .collect();
    for other in &mut others {
        assert!(is_pending(&mut other.as_mut()).await);
    }
    gate.pass.send(()).unwrap();
    assert_eq!(gate.begun.recv().unwrap(), 3, "one row for each new code");
    gate.pass.send(()).unwrap();
    let mut ids = Vec::new();
    for other in others {
        ids.push(other.await.unwrap().get());
    }
    assert_eq!(ids, [2, -2, 2, 3, -2]);
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_failed_commit_ends_the_writer_and_no_caller_gets_an_id() {
    let (services, workers) = parts(Faulty::failing_at(2, Memory::default()));
    let writer = start(workers.writer);
    assert_eq!(
        services.register.application("durable").await.unwrap(),
        application(-1)
    );
    let refused = services.register.application("lost").await;
    assert!(matches!(refused, Err(Error::Stopped)), "{refused:?}");
    writer.join().unwrap().unwrap_err();
    assert_eq!(
        services.register.application("durable").await.unwrap(),
        application(-1)
    );
    let refused = services.register.application("another").await;
    assert!(matches!(refused, Err(Error::Stopped)), "{refused:?}");
    assert_eq!(services.roster.applications(None, 10).items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_until_its_deadline_and_finds_the_id_later() {
    let (services, workers) = parts(Memory::default());
    let begun = tokio::time::Instant::now();
    let late = services.register.application("orders").await;
    assert!(matches!(late, Err(Error::DeadlineExceeded)), "{late:?}");
    assert_eq!(begun.elapsed(), DEADLINE);
    services.register.stop();
    start(workers.writer).join().unwrap().unwrap();
    assert_eq!(
        services.register.application("orders").await.unwrap(),
        application(-1)
    );
}

#[tokio::test]
async fn a_full_queue_refuses_instead_of_growing() {
    let (services, workers) = parts(Memory::default());
    let codes: Vec<String> = (0..QUEUE_CAPACITY).map(|n| n.to_string()).collect();
    let mut waiting: Vec<_> = codes
        .iter()
        .map(|code| Box::pin(services.register.application(code)))
        .collect();
    for call in &mut waiting {
        assert!(is_pending(&mut call.as_mut()).await);
    }
    let refused = services.register.application("one more").await;
    assert!(matches!(refused, Err(Error::Overloaded)), "{refused:?}");
    let writer = start(workers.writer);
    for call in waiting {
        call.await.unwrap();
    }
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn bad_keys_are_refused_alone_and_skipped_among_good_ones() {
    let running = Fixture::start();
    let register = &running.services.register;
    let refused = register.application("").await;
    assert!(matches!(
        refused,
        Err(Error::InvalidKey {
            field: "application code",
            ..
        })
    ));
    let long = "x".repeat(MAX_KEY_BYTES + 1);
    assert!(matches!(
        register.application(&long).await,
        Err(Error::InvalidKey { .. })
    ));
    let ids = register
        .applications(&["a", "", "b", &long, "a"])
        .await
        .unwrap();
    let numbers: Vec<_> = ids
        .into_iter()
        .map(|id| id.map(ApplicationId::get))
        .collect();
    assert_eq!(numbers, [Some(-1), None, Some(2), None, Some(-1)]);
    assert!(matches!(
        register.applications(&["", &long]).await,
        Err(Error::InvalidKey { .. })
    ));
}

#[tokio::test]
async fn more_keys_than_one_job_takes_are_all_assigned() {
    let running = Fixture::start();
    let addresses: Vec<String> = (0..5000).map(|n| format!("10.0.0.1:{n}")).collect();
    let ids = running
        .services
        .register
        .addresses(&addresses)
        .await
        .unwrap();
    let mut numbers: Vec<i32> = ids.into_iter().map(|id| id.unwrap().get()).collect();
    numbers.sort_unstable();
    let expected: Vec<i32> = (-2500..=2500).filter(|&id| id != 0).collect();
    assert_eq!(numbers, expected, "dense, zero-centred, without 0");
}

/// Adopts an instance by a heartbeat, and pauses the clock: afterwards time advances only where a test waits.
async fn adopt_and_pause(services: &Services, raw: i32) -> InstanceId {
    services
        .heartbeat
        .renew(sign(raw, Signal::Heartbeat))
        .await
        .unwrap();
    tokio::time::pause();
    instance(raw)
}

#[tokio::test]
async fn a_list_ends_where_its_last_page_ends_and_leaves_the_reserved_one_out() {
    let running = Fixture::start();
    let Services {
        register, roster, ..
    } = &running.services;
    let ids = register.applications(&["a", "b", "c", "d"]).await.unwrap();
    assert_eq!(ids.iter().flatten().count(), 4);
    let first = roster.applications(None, 2);
    let second = roster.applications(first.next, 2);
    let codes = |items: Vec<super::roster::ApplicationStatus>| -> Vec<i32> {
        items
            .iter()
            .map(|item| item.application.as_ref().unwrap().id.get())
            .collect()
    };
    assert_eq!(
        (codes(first.items), codes(second.items)),
        (vec![-2, -1], vec![2, 3])
    );
    assert_eq!(second.next, None, "nothing follows");
    assert!(
        roster.application(Some(application(1))).is_none(),
        "1 is reserved and not listed"
    );
}
