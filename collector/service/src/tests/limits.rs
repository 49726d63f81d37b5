//! Limits on the additions of one message and one peer to the inventory, and the commits that they cost.

use rollcall_domain::{AddressId, OperationId, inventory::Limits};
use rollcall_limits::Peer;

use super::*;
use crate::{
    register::{ForeignId, InstanceName},
    testing::{MAX_HELD, RATES},
};

fn peer(last: u8) -> Option<Peer> {
    Some(Peer::new([10, 0, 0, last].into()))
}

fn operation(raw: i32) -> ForeignId {
    ForeignId::Operation(OperationId::new(raw).unwrap())
}

fn held_application(raw: i32) -> ForeignId {
    ForeignId::Application(application(raw))
}

/// Runs `work`, which needs `commits` commits of the store, and returns the number of rows of each.
async fn commits<F: Future>(gate: Gate, work: F, commits: usize) -> Vec<usize> {
    let pass = thread::spawn(move || {
        let mut rows = Vec::new();
        for _ in 0..commits {
            rows.push(gate.begun.recv().unwrap());
            gate.pass.send(()).unwrap();
        }
        (rows, gate)
    });
    work.await;
    let (rows, gate) = pass.join().unwrap();
    assert!(gate.begun.is_empty(), "more than {commits} commits");
    rows
}

#[tokio::test]
async fn adoption_and_first_sign_are_one_commit() {
    let (storage, gate) = gated();
    let mut store = storage.inner.clone();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    let beat = services.heartbeat.renew(sign(7, Signal::Heartbeat));
    let rows = commits(gate, async { beat.await.unwrap() }, 1).await;
    assert_eq!(rows, [1]);
    services.register.stop();
    writer.join().unwrap().unwrap();
    assert_eq!(signs_in(&mut store), [(7, Signal::Heartbeat)]);
}

#[tokio::test]
async fn recovery_and_first_sign_are_one_commit() {
    let (storage, gate) = gated();
    let mut store = storage.inner.clone();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    let recovery = Recovery {
        application: application(-1),
        instance: instance(7),
        generation: None,
        properties: Properties::default(),
    };
    let recovered = services.register.recover(recovery);
    let rows = commits(gate, async { recovered.await.unwrap() }, 1).await;
    assert_eq!(rows, [2], "the application and the instance");
    services.register.stop();
    writer.join().unwrap().unwrap();
    assert_eq!(signs_in(&mut store), [(7, Signal::Recover)]);
}

#[tokio::test]
async fn many_unknown_senders_are_adopted_in_few_commits() {
    let (storage, gate) = gated();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    // The limit of adopted ids of the fixture is 16.
    let signs = (1..=16).map(|raw| sign(raw, Signal::TraceSegment));
    let renewed = services.heartbeat.renew_all(signs);
    let rows = commits(gate, async { renewed.await.unwrap() }, 1).await;
    assert_eq!(rows, [16]);
    for raw in 1..=16 {
        assert_eq!(
            services.roster.instance(instance(raw)).unwrap().signal,
            Signal::TraceSegment
        );
    }
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_sender_that_cannot_be_adopted_does_not_affect_the_others() {
    let running = Fixture::start();
    let services = &running.services;
    let signs = [-1, 5].map(|raw| sign(raw, Signal::TraceSegment));
    let refused = services.heartbeat.renew_all(signs).await.unwrap_err();
    assert!(matches!(refused, Error::NotAnInstance(_)), "{refused:?}");
    assert!(services.roster.instance(instance(5)).is_some());
}

#[tokio::test]
async fn ids_that_agents_hold_are_never_assigned_to_others() {
    let running = Fixture::start();
    let register = &running.services.register;
    let held = [
        held_application(-1),
        operation(-1),
        ForeignId::Address(AddressId::new(-1).unwrap()),
    ];
    register.adopt(held.into_iter()).await.unwrap();
    assert_eq!(register.application("new").await.unwrap(), application(2));
    let ids = register.addresses(&["new:1"]).await.unwrap();
    assert_eq!(ids, [AddressId::new(1)]);
}

#[tokio::test]
async fn one_message_has_a_bounded_number_of_ids_adopted() {
    let running = Fixture::start();
    let services = &running.services;
    services
        .register
        .adopt((100..1100).map(operation))
        .await
        .unwrap();
    let exposition = services.exposition();
    let adopted = format!("dictionary=\"operations\",adopted=\"true\"}} {MAX_HELD}");
    assert!(exposition.contains(&adopted), "{exposition}");
}

#[tokio::test]
async fn an_id_that_is_refused_does_not_affect_the_others() {
    let running = Fixture::start();
    let services = &running.services;
    let operations = |first| (first..first + 4).map(operation);
    for first in [100, 200, 300, 400] {
        services.register.adopt(operations(first)).await.unwrap();
    }
    // 16 operations are adopted, and no further one is.
    let addresses = (1..=4).map(|raw| ForeignId::Address(AddressId::new(raw).unwrap()));
    let held = operations(500).chain(addresses);
    services.register.adopt(held).await.unwrap();
    let exposition = services.exposition();
    for (dictionary, adopted) in [("operations", 16), ("addresses", 4)] {
        let line = format!("dictionary=\"{dictionary}\",adopted=\"true\"}} {adopted}\n");
        assert!(exposition.contains(&line), "no {line} in {exposition}");
    }
}

#[tokio::test]
async fn held_ids_never_keep_a_sender_from_being_adopted() {
    let running = Fixture::start();
    let services = &running.services;
    // Each message uses the maximum number of ids. Together these are far more than the limit of 16 adopted ids.
    for message in 0..20 {
        let held = (0..8).map(|at| held_application(100 + 8 * message + at));
        services.register.adopt(held).await.unwrap();
    }
    for raw in 1..=8 {
        let sign = Sign {
            application: Some(application(1000 + raw)),
            ..sign(raw, Signal::TraceSegment)
        };
        services.heartbeat.renew(sign).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_beyond_its_rate_gets_no_new_ids_and_all_known_ones() {
    let running = Fixture::start();
    let register = running.services.register.for_peer(peer(1));
    let names: Vec<_> = (0..RATES.burst + 50).map(|at| format!("a-{at}")).collect();
    let ids = register.applications(&names).await.unwrap();
    assert_eq!(ids.iter().flatten().count(), RATES.burst);
    let refused = register.application("another").await.unwrap_err();
    assert!(matches!(refused, Error::PeerLimit), "{refused:?}");
    // Known names are answered at any rate.
    assert_eq!(register.application("a-0").await.unwrap(), ids[0].unwrap());
    let again = register.applications(&names[..50]).await.unwrap();
    assert_eq!(again, ids[..50]);
    // Another peer, and the signs of life of this one, are not affected.
    let other = running.services.register.for_peer(peer(2));
    other.application("another").await.unwrap();
    let heartbeat = running.services.heartbeat.for_peer(peer(1));
    heartbeat.renew(sign(7, Signal::Heartbeat)).await.unwrap();
    let exposition = running.services.exposition();
    let refused = "peer_refused_total{reason=\"registrations\",peer=\"private\"} 51";
    assert!(exposition.contains(refused), "{exposition}");
}

#[tokio::test]
async fn a_known_instance_of_a_limited_peer_stays_up_with_the_properties_on_record() {
    let running = Fixture::start();
    let services = &running.services;
    let register = services.register.for_peer(peer(1));
    let app = register.application("orders").await.unwrap();
    let id = register.instance(process(app.get(), "u")).await.unwrap();
    let name = InstanceName {
        service: "orders",
        instance: "u",
    };
    register.named(name, Properties::default()).await.unwrap();
    let fill: Vec<_> = (0..RATES.burst).map(|at| format!("b-{at}")).collect();
    register.applications(&fill).await.unwrap();
    let described = NewInstance {
        properties: Properties::from_iter([("host", "new")]),
        ..process(app.get(), "u")
    };
    assert_eq!(register.instance(described.clone()).await.unwrap(), id);
    assert_eq!(
        register
            .instances(std::slice::from_ref(&described))
            .await
            .unwrap(),
        [Some(id)]
    );
    register.named(name, described.properties).await.unwrap();
    let instances = services
        .roster
        .instances(Some(app), &crate::roster::Filter::default(), None, 10)
        .items;
    assert_eq!(
        instances.len(),
        2,
        "of an agent with ids and of one without"
    );
    for id in instances {
        let status = services.roster.instance(id).unwrap();
        assert_eq!(status.instance.properties, Properties::default());
    }
}

/// Instances that an earlier release adopted because another instance mentioned them have no lease.
#[tokio::test]
async fn an_instance_on_record_that_was_never_seen_gets_its_lease_with_its_first_sign() {
    let running = Fixture::restored(|allocator, _| {
        let mut source = rollcall_domain::inventory::Allocator::new(Limits {
            assigned: 1,
            adopted: 1,
            bytes: usize::MAX,
        });
        let mut proposal = source.propose(rollcall_domain::Timestamp::from_millis(0));
        proposal.adopt_instance(instance(7), None).unwrap();
        for row in proposal.rows().to_vec() {
            allocator.restore(row).unwrap();
        }
    });
    let services = &running.services;
    assert!(services.roster.instance(instance(7)).is_none());
    services
        .heartbeat
        .renew(sign(7, Signal::Heartbeat))
        .await
        .unwrap();
    assert!(services.roster.instance(instance(7)).is_some());
}
