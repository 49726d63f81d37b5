//! The leases that the writer grants, and the callers that gave up before the commit ended.

use rollcall_domain::liveness::{Cause, Contact};
use rollcall_link::{self as link, Link};

use super::{doubt::recovery, *};

#[tokio::test]
async fn an_instance_that_was_adopted_has_a_lease_although_its_caller_gave_up() {
    let (storage, gate) = gated();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    {
        let mut call = pin!(services.register.recover(recovery(7)));
        assert!(is_pending(&mut call).await);
        gate.begun.recv().unwrap();
    }
    gate.pass.send(()).unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
    let lease = services.core.lessor.view(instance(7)).unwrap();
    assert_eq!((lease.state, lease.signal), (State::Up, Signal::Recover));
}

/// Its caller is not polled after the registration was queued.
#[tokio::test]
async fn a_registered_instance_is_up_before_its_caller_is_answered() {
    let (storage, gate) = gated();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    let mut events = services.events.subscribe();
    let mut call = pin!(services.register.instance(process(-1, "a")));
    assert!(is_pending(&mut call).await);
    gate.begun.recv().unwrap();
    gate.pass.send(()).unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
    let lease = services.core.lessor.view(instance(1)).unwrap();
    assert_eq!((lease.state, lease.signal), (State::Up, Signal::Register));
    let event = happened(&mut events).await;
    assert!(matches!(event.kind, InstanceKind::Registered(_)));
    assert_eq!(call.await.unwrap(), instance(1));
    assert!(events.try_recv().is_err(), "registered once");
}

/// The writer marks an instance as up after its caller's connection has ended.
#[tokio::test]
async fn a_first_sign_over_an_ended_connection_records_why_that_ended() {
    let fixture = Fixture::start();
    let Services { links, core, .. } = &fixture.services;
    let end: [(fn(Link), Cause); 2] = [
        (|link| link.ended(None), Cause::ClosedByPeer),
        (|link| drop(link), Cause::ClosedByCollector),
    ];
    for (number, (end, expected)) in (1..).zip(end) {
        let link = links.open(([127, 0, 0, 1], 40_000).into());
        let seen = link.within(link::kept);
        end(link);
        link::within(seen.as_ref(), || {
            core.renew_or_grant(instance(number), Signal::Register);
        });
        let lease = core.lessor.view(instance(number)).unwrap();
        let Contact::Closed(closed) = lease.contact else {
            panic!("{lease:?}");
        };
        assert_eq!(closed.cause, expected);
    }
}

/// Its agent may be gone, and the end of its connection may have been recorded before.
#[tokio::test]
async fn a_registered_instance_whose_caller_gave_up_has_no_lease() {
    let (storage, gate) = gated();
    let (services, workers) = parts(storage);
    let writer = start(workers.writer);
    {
        let mut call = pin!(services.register.instance(process(-1, "a")));
        assert!(is_pending(&mut call).await);
        gate.begun.recv().unwrap();
    }
    gate.pass.send(()).unwrap();
    services.register.stop();
    writer.join().unwrap().unwrap();
    assert!(services.core.inventory.instance(instance(1)).is_some());
    assert!(services.core.lessor.view(instance(1)).is_none());
}
