//! Departures and returns that a crash of the collector must not undo.

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use rollcall_storage::faulty::Tight;
use tokio::{task::yield_now, time::timeout};

use super::*;
use crate::heartbeat::Goodbye;

/// More instances than any buffer between the leases and the write-back has ever held.
const MANY: usize = 3_000;
/// Less than the interval of the write-back's rounds in these tests.
const SOON: Duration = Duration::from_secs(5);

pub(super) async fn registered(services: &Services, count: usize) -> Vec<InstanceId> {
    let register = &services.register;
    register.application("orders").await.unwrap();
    let mut ids = Vec::new();
    for number in 0..count {
        let id = register.instance(process(-1, &number.to_string())).await;
        ids.push(id.unwrap());
    }
    ids
}

/// The stored states, by instance.
fn stored(store: &mut Memory) -> Vec<(InstanceId, State, bool)> {
    let mut states = Vec::new();
    let collect = &mut |record| {
        if let Record::LastSeen(seen) = record {
            states.push((seen.instance, seen.state, seen.forgotten));
        }
    };
    store.load(collect).unwrap();
    states.sort_unstable();
    states
}

/// Waits until the store has all instances in this state.
pub(super) async fn reach(store: &mut Memory, ids: &[InstanceId], state: State) {
    let expected: Vec<_> = ids.iter().map(|id| (*id, state, false)).collect();
    let reached = async {
        while stored(store) != expected {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, reached)
        .await
        .expect("all states are stored before the next round");
}

#[tokio::test]
async fn a_fleet_that_leaves_and_returns_is_stored_before_the_next_round() {
    let mut store = Memory::default();
    let (services, workers) = parts(store.clone());
    let writer = start(workers.writer);
    let ids = registered(&services, MANY).await;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(workers.write_back.run(stop.clone()));
    yield_now().await;

    for id in &ids {
        services.core.leave(*id).unwrap();
    }
    reach(&mut store, &ids, State::Left).await;
    for id in &ids {
        services.core.renew_or_grant(*id, Signal::Register);
    }
    reach(&mut store, &ids, State::Up).await;

    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
}

fn goodbye(id: InstanceId) -> Goodbye<'static> {
    Goodbye {
        application: application(-1),
        instance: id,
        uuid: "0",
    }
}

#[tokio::test]
async fn a_goodbye_is_answered_once_it_is_durable() {
    let (storage, gate) = gated();
    let mut store = storage.inner.clone();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    gate.pass.send(()).unwrap();
    gate.pass.send(()).unwrap();
    let ids = registered(&services, 1).await;
    gate.begun.recv().unwrap();
    gate.begun.recv().unwrap();
    let name = super::super::register::InstanceName {
        service: "orders",
        instance: "none",
    };
    services.heartbeat.leave_all_named([name]).await.unwrap();

    let mut call = pin!(services.heartbeat.leave(goodbye(ids[0])));
    assert!(is_pending(&mut call).await);
    gate.begun.recv().unwrap();
    assert!(is_pending(&mut call).await, "answered before the commit");
    assert_eq!(stored(&mut store), []);
    gate.pass.send(()).unwrap();
    assert!(call.await.unwrap());
    assert_eq!(stored(&mut store), [(ids[0], State::Left, false)]);
    // A repetition changes nothing, so it costs no write.
    assert!(services.heartbeat.leave(goodbye(ids[0])).await.unwrap());
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_goodbye_that_the_store_refuses_is_written_once_the_store_accepts_it() {
    let (mut store, is_full) = (Memory::default(), Arc::<AtomicBool>::default());
    let (services, workers) = parts(Tight::new(store.clone(), &is_full));
    let writer = start(workers.writer);
    let ids = registered(&services, 1).await;
    is_full.store(true, Ordering::Release);
    let refused = services.heartbeat.leave(goodbye(ids[0])).await;
    assert!(matches!(refused, Err(Error::StoreFull)), "{refused:?}");
    let shown = services.roster.instance(ids[0]).unwrap();
    assert_eq!(
        shown.state,
        State::Left,
        "it has left although a crash now would undo it"
    );

    is_full.store(false, Ordering::Release);
    let repeated = async {
        while services.heartbeat.leave(goodbye(ids[0])).await.is_err() {
            yield_now().await;
        }
    };
    timeout(SOON, repeated).await.unwrap();
    assert_eq!(stored(&mut store), [(ids[0], State::Left, false)]);
    services.register.stop();
    writer.join().unwrap().unwrap();
}

/// A write that was requested before a departure, and reaches the queue after the departure's own write, must not undo it.
#[tokio::test]
async fn a_write_stores_the_leases_as_they_are_when_it_is_committed() {
    let mut store = Memory::default();
    let (services, workers) = parts(store.clone());
    let lease = instance(1);
    services.core.renew_or_grant(lease, Signal::Register);
    let mut written = pin!(services.register.record(vec![lease]));
    assert!(is_pending(&mut written).await);
    services.core.leave(lease).unwrap();
    assert!(services.core.lessor.forget(lease));
    services.register.stop();
    start(workers.writer).join().unwrap().unwrap();
    written.await.unwrap();
    assert_eq!(stored(&mut store), [(lease, State::Left, true)]);
}

/// The calls of a process that stops arrive on several connections.
#[tokio::test]
async fn the_first_sign_of_an_instance_that_has_left_meanwhile_does_not_bring_it_back() {
    let mut store = Memory::default();
    let (services, workers) = parts(store.clone());
    let lease = instance(1);
    let mut first = pin!(services.heartbeat.renew(sign(1, Signal::Heartbeat)));
    assert!(is_pending(&mut first).await);
    services.core.renew_or_grant(lease, Signal::TraceSegment);
    services.core.leave(lease).unwrap();
    services.register.stop();
    start(workers.writer).join().unwrap().unwrap();
    first.await.unwrap();
    assert_eq!(services.roster.instance(lease).unwrap().state, State::Left);
    assert_eq!(stored(&mut store), [(lease, State::Left, false)]);
}

/// An agent whose goodbye was not answered in time repeats it. The write of the first one may still be in the writer's queue, or the
/// write-back may be repeating it.
#[tokio::test]
async fn a_repeated_goodbye_is_answered_once_the_departure_is_durable() {
    let (storage, gate) = gated();
    let mut store = storage.inner.clone();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    gate.pass.send(()).unwrap();
    gate.pass.send(()).unwrap();
    let ids = registered(&services, 1).await;
    gate.begun.recv().unwrap();
    gate.begun.recv().unwrap();
    // The first caller gives up while its write is under way.
    {
        let mut first = pin!(services.heartbeat.leave(goodbye(ids[0])));
        assert!(is_pending(&mut first).await);
        gate.begun.recv().unwrap();
    }
    let mut repeated = pin!(services.heartbeat.leave(goodbye(ids[0])));
    assert!(
        is_pending(&mut repeated).await,
        "answered before it is durable"
    );
    assert_eq!(stored(&mut store), []);
    for _commit in 0..2 {
        gate.pass.send(()).unwrap();
    }
    assert!(repeated.await.unwrap());
    assert_eq!(stored(&mut store), [(ids[0], State::Left, false)]);
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn an_instance_is_forgotten_although_the_operator_does_not_wait() {
    for has_writer in [true, false] {
        let mut store = Memory::default();
        let (services, workers) = parts(store.clone());
        let lease = instance(1);
        let ids = [lease];
        services.core.renew_or_grant(lease, Signal::Register);
        services.core.leave(lease).unwrap();
        {
            let mut call = pin!(services.forget(&ids));
            assert!(is_pending(&mut call).await);
        }
        services.register.stop();
        if has_writer {
            start(workers.writer).join().unwrap().unwrap();
        } else {
            drop(workers.writer);
        }
        // The lists agree with the store, which a restart and the other members read.
        let is_forgotten = services.core.lessor.view(lease).unwrap().forgotten;
        assert_eq!(is_forgotten, has_writer);
        let expected = has_writer.then_some((lease, State::Left, true));
        assert_eq!(stored(&mut store), Vec::from_iter(expected));
    }
}
