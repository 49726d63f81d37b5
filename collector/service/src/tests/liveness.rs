//! The state of an instance over time, with and without signals.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn an_instance_without_signals_is_silent_then_down_and_a_signal_brings_it_up() {
    let (services, workers) = parts(Memory::default());
    let writer = start(workers.writer);
    let id = adopt_and_pause(&services, 1).await;
    let mut events = services.events.subscribe();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(workers.sweeper.run(stop.clone()));
    for (from, to) in [(State::Up, State::Silent), (State::Silent, State::Down)] {
        let event = happened(&mut events).await;
        let InstanceKind::StateChanged(Changed {
            from: was,
            to: is,
            signal,
            ..
        }) = event.kind
        else {
            panic!("{event:?}")
        };
        assert_eq!((was, is, signal), (from, to, Signal::Heartbeat));
    }
    services
        .heartbeat
        .renew(sign(id.get(), Signal::JvmMetrics))
        .await
        .unwrap();
    let event = happened(&mut events).await;
    assert!(matches!(
        event.kind,
        InstanceKind::StateChanged(Changed {
            from: State::Down,
            to: State::Up,
            ..
        })
    ));
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn after_a_stall_every_lease_gets_a_full_term() {
    let (services, workers) = parts(Memory::default());
    let writer = start(workers.writer);
    let id = adopt_and_pause(&services, 1).await;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(workers.sweeper.run(stop.clone()));
    sleep(TICK).await;
    advance(TERMS.down_after + STALL).await;
    sleep(TERMS.silent_after / 2).await;
    assert_eq!(services.roster.instance(id).unwrap().state, State::Up);
    sleep(TERMS.silent_after).await;
    assert_eq!(services.roster.instance(id).unwrap().state, State::Silent);
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn the_last_signals_are_written_back_when_the_collector_stops() {
    let mut store = Memory::default();
    let (services, workers) = parts(store.clone());
    let writer = start(workers.writer);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(workers.write_back.run(stop.clone()));
    tokio::task::yield_now().await;
    for raw in 1..=5 {
        services
            .heartbeat
            .renew(sign(raw, Signal::Heartbeat))
            .await
            .unwrap();
    }
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
    let expected: Vec<_> = (1..=5).map(|id| (id, Signal::Heartbeat)).collect();
    assert_eq!(signs_in(&mut store), expected);
}

#[tokio::test]
async fn the_last_write_back_ends_although_the_store_does_not_answer() {
    let (storage, gate) = gated();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(workers.write_back.run(stop.clone()));
    tokio::task::yield_now().await;
    gate.pass.send(()).unwrap();
    let renewed = services.heartbeat.renew(sign(1, Signal::Heartbeat));
    renewed.await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    // The timer has a resolution of a millisecond.
    let late = start.elapsed() - services.last_write_back();
    assert!(late < Duration::from_millis(2), "{late:?}");
    drop(gate.pass);
    services.register.stop();
    assert!(writer.join().is_err(), "the gate is gone");
}

pub(super) fn signs_in(store: &mut Memory) -> Vec<(i32, Signal)> {
    let mut signs = Vec::new();
    store
        .load(&mut |record| {
            if let Record::LastSeen(seen) = record {
                assert_eq!(seen.state, State::Up, "{seen:?}");
                signs.push((seen.instance.get(), seen.signal));
            }
        })
        .unwrap();
    signs.sort_unstable_by_key(|(id, _)| *id);
    signs
}
