//! The lease of an adopted instance whose caller gave up before the commit ended.

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
