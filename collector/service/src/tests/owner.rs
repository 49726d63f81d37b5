//! Forwarding to another collector, which commits first.

use std::sync::Arc;

use futures_util::future::{self, BoxFuture};
use parking_lot::Mutex;
use rollcall_domain::inventory::{OperationKey, SpanType};
use tokio::time::Instant;

use super::*;
use crate::register::{Forward, InstanceName, OperationRef, Owner, Registration};

/// Records the requests and commits nothing.
#[derive(Debug, Default)]
struct Other {
    requests: Mutex<Vec<Registration>>,
    hangs: bool,
}

impl Other {
    fn commit(&self, registrations: Vec<Registration>) -> BoxFuture<'static, ()> {
        self.requests.lock().extend(registrations);
        if self.hangs {
            Box::pin(future::pending())
        } else {
            Box::pin(future::ready(()))
        }
    }
}

#[derive(Debug)]
struct Elsewhere(Arc<Other>);

impl Owner for Elsewhere {
    fn elsewhere(&self) -> Option<Forward> {
        let other = Arc::clone(&self.0);
        Some(Box::new(move |registrations| other.commit(registrations)))
    }
}

/// Use cases that forward to `other` first.
fn parts_beside(other: &Arc<Other>) -> (Services, JoinHandle<Result<(), Failure>>) {
    let owner = Arc::new(Elsewhere(Arc::clone(other)));
    let (services, workers) = testing::parts_with(Memory::default(), Some(owner));
    (services, start(workers.writer))
}

fn operation(name: &str) -> OperationRef<'_> {
    OperationRef {
        application: application(-1),
        span_type: SpanType::Exit,
        name,
    }
}

#[tokio::test]
async fn new_names_are_forwarded_once_and_get_their_ids_here_if_the_owner_assigned_none() {
    let other = Arc::new(Other::default());
    let (services, writer) = parts_beside(&other);
    let register = &services.register;
    let name = InstanceName {
        service: "carts",
        instance: "two",
    };
    for _ in 0..2 {
        let orders = register.application("orders").await.unwrap();
        assert_eq!(orders, application(-1));
        let one = register.instance(process(-1, "one")).await.unwrap();
        assert_eq!(one, instance(1));
        register.named(name, Properties::default()).await.unwrap();
        let known = register.operations(&[operation("/a")]).await.unwrap();
        let both = [operation("/a"), operation("/b")];
        let both = register.operations(&both).await.unwrap();
        assert_eq!(both[0], known[0]);
        register.addresses(&["db:1"]).await.unwrap();
    }
    let key = |name| Registration::Operation(OperationKey::from(operation(name)));
    assert_eq!(
        *other.requests.lock(),
        [
            Registration::Application("orders".into()),
            Registration::Instance(process(-1, "one")),
            Registration::Named {
                service: "carts".into(),
                instance: "two".into(),
                properties: Properties::default(),
            },
            key("/a"),
            key("/b"),
            Registration::Address("db:1".into()),
        ]
    );
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn an_owner_that_hangs_takes_at_most_half_of_the_deadline() {
    let other = Arc::new(Other {
        hangs: true,
        ..Other::default()
    });
    let (services, writer) = parts_beside(&other);
    let requested_at = Instant::now();
    services.register.application("orders").await.unwrap();
    assert!(requested_at.elapsed() >= DEADLINE / 2);
    services.register.stop();
    writer.join().unwrap().unwrap();
}

#[tokio::test]
async fn forwarded_registrations_are_not_forwarded_again() {
    let other = Arc::new(Other::default());
    let (services, writer) = parts_beside(&other);
    let orders = Registration::Application("orders".into());
    let rejected = services.register.commit(vec![orders]).await.unwrap();
    assert!(rejected.is_none(), "{rejected:?}");
    assert!(other.requests.lock().is_empty());
    let id = services.register.application("orders").await.unwrap();
    assert_eq!(id, application(-1));
    assert!(other.requests.lock().is_empty());
    services.register.stop();
    writer.join().unwrap().unwrap();
}
