//! A store on the local disk, while the disk is full.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rollcall_domain::inventory::Row;
use rollcall_storage::faulty::Tight;

use super::*;
use crate::readiness::Status;

fn on_full_disk() -> (Services, crate::Workers, Memory, Arc<AtomicBool>) {
    let (memory, is_full) = (Memory::default(), Arc::<AtomicBool>::default());
    let (services, workers) = parts(Tight::new(memory.clone(), &is_full));
    (services, workers, memory, is_full)
}

async fn ready(services: &Services) {
    while services.readiness.status() != Status::Ready {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn new_names_are_refused_known_ones_are_answered_until_there_is_room() {
    let (services, workers, mut memory, is_full) = on_full_disk();
    let writer = start(workers.writer);
    let register = &services.register;
    let orders = register.application("orders").await.unwrap();
    let known = register.instance(process(-1, "known")).await.unwrap();

    is_full.store(true, Ordering::Release);
    let refused = register.application("stock").await.unwrap_err();
    assert!(matches!(refused, Error::StoreFull), "{refused}");
    assert!(refused.retryable() && refused.to_string().contains("disk"));
    let other = register.instance(process(-1, "new")).await.unwrap_err();
    assert!(matches!(other, Error::StoreFull), "{other}");
    assert_eq!(register.application("orders").await.unwrap(), orders);
    assert_eq!(
        register.instance(process(-1, "known")).await.unwrap(),
        known
    );
    services
        .heartbeat
        .renew(sign(known.get(), Signal::Heartbeat))
        .await
        .unwrap();
    let Status::Degraded(reasons) = services.readiness.status() else {
        panic!("{:?}", services.readiness.status())
    };
    assert!(
        reasons["storage"].contains("no room left to write tight"),
        "{reasons:?}"
    );

    is_full.store(false, Ordering::Release);
    ready(&services).await;
    let stock = register.application("stock").await.unwrap();
    assert_eq!(stock, application(2));
    let new = register.instance(process(-1, "new")).await.unwrap();
    register.stop();
    writer.join().unwrap().unwrap();
    let mut codes = Vec::new();
    let collect = &mut |record| {
        if let Record::Row(Row::Application(row)) = record {
            codes.extend(row.code);
        }
    };
    memory.load(collect).unwrap();
    codes.sort_unstable();
    assert_eq!(codes, ["orders".into(), "stock".into()]);
    assert_eq!(new, instance(2));
}

/// The instance got no id, so it is not up: its agent registers it again.
#[tokio::test]
async fn an_instance_that_was_refused_is_up_once_its_agent_returns() {
    let (services, workers, _, is_full) = on_full_disk();
    let writer = start(workers.writer);
    let register = &services.register;
    register.application("orders").await.unwrap();
    is_full.store(true, Ordering::Release);
    register.instance(process(-1, "new")).await.unwrap_err();
    is_full.store(false, Ordering::Release);
    ready(&services).await;
    let events = services.events.subscribe();
    let counts = || services.core.lessor.counts();
    assert_eq!(counts().up, 0, "{:?}", counts());
    let id = register.instance(process(-1, "new")).await.unwrap();
    assert_eq!(services.roster.instance(id).unwrap().state, State::Up);
    let mut events = events;
    let event = happened(&mut events).await;
    assert!(
        matches!(event.kind, InstanceKind::Registered(_)),
        "{event:?}"
    );
    register.stop();
    writer.join().unwrap().unwrap();
}

/// The store keeps the batch that found the disk full. Once that is written, a restart would find the instance forgotten, so this
/// run forgets it too.
#[tokio::test]
async fn an_instance_is_forgotten_once_the_store_has_forgotten_it() {
    let (services, workers, mut memory, is_full) = on_full_disk();
    let writer = start(workers.writer);
    let register = &services.register;
    register.application("orders").await.unwrap();
    let [gone, back] = [
        register.instance(process(-1, "gone")).await.unwrap(),
        register.instance(process(-1, "back")).await.unwrap(),
    ];
    assert_eq!(
        [gone, back].map(|id| services.core.leave(id)),
        [Some(true); 2]
    );
    is_full.store(true, Ordering::Release);
    let refused = services.forget(&[gone, back]).await.unwrap_err();
    assert!(matches!(refused, Error::StoreFull), "{refused}");
    let is_forgotten = |id| services.roster.instance(id).unwrap().forgotten;
    assert!(!is_forgotten(gone) && !is_forgotten(back));
    services.core.renew_or_grant(back, Signal::Register);

    is_full.store(false, Ordering::Release);
    ready(&services).await;
    assert!(is_forgotten(gone) && !is_forgotten(back));
    register.stop();
    writer.join().unwrap().unwrap();
    let mut stored = Vec::new();
    let collect = &mut |record| {
        if let Record::LastSeen(seen) = record {
            stored.extend(seen.forgotten.then_some(seen.instance));
        }
    };
    memory.load(collect).unwrap();
    assert!(stored.contains(&gone), "{stored:?}");
}

/// No other collector receives the signals of the instances, so their silence is evidence although the disk is full.
#[tokio::test]
async fn instances_are_marked_as_down_while_the_disk_is_full() {
    let (services, workers, _, is_full) = on_full_disk();
    let writer = start(workers.writer);
    services.register.application("orders").await.unwrap();
    let id = services
        .register
        .instance(process(-1, "known"))
        .await
        .unwrap();
    is_full.store(true, Ordering::Release);
    services.register.application("stock").await.unwrap_err();
    let mut events = services.events.subscribe();
    tokio::time::pause();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(workers.sweeper.run(stop.clone()));
    for expected in [State::Silent, State::Down] {
        let event = happened(&mut events).await;
        assert_eq!(event.instance, id);
        assert!(
            matches!(event.kind, InstanceKind::StateChanged(Changed { to, .. }) if to == expected),
            "{event:?}"
        );
    }
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
}
