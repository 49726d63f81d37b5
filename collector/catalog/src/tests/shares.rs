//! The shares of peers, across connections and restarts.

use std::net::IpAddr;

use rollcall_domain::catalog::Limits;
use rollcall_limits::Peer;

use super::*;
use crate::{Config, Error, NoEvents, store::Memory};

fn limited(services_per_peer: usize) -> Config {
    Config {
        limits: Limits {
            services_per_peer,
            ..Limits::default()
        },
        ..Config::default()
    }
}

fn peer(text: &str) -> Option<Peer> {
    Some(Peer::new(text.parse::<IpAddr>().unwrap()))
}

fn of(ip: &str) -> Connection {
    Connection {
        ip: ip.into(),
        ..connection()
    }
}

#[tokio::test(start_paused = true)]
async fn connections_of_one_address_have_one_share() {
    let running = Running::with(limited(2), Memory::default(), Arc::new(NoEvents));
    let catalog = &running.catalog;
    let connect = |ip| catalog.connect(of(ip)).unwrap();
    let (one, again, other) = (connect("fd00::1"), connect("fd00::2"), connect("10.0.0.2"));
    let register = |id, name: &str| {
        let publisher = Publisher::Connection(id);
        catalog.register_ephemeral(&publisher, &key(name), registration("10.0.0.1"))
    };
    register(one, "a").unwrap();
    let batch = vec![registration("10.0.0.1"), registration("10.0.0.2")];
    catalog
        .batch_register(again, &key("b"), batch.clone())
        .unwrap();
    let refused = register(again, "c").unwrap_err();
    assert!(matches!(refused, Error::Full(_)), "{refused}");
    let refused = catalog.batch_register(one, &key("c"), batch).unwrap_err();
    assert!(
        refused.to_string().contains("max_services_per_peer = 2"),
        "{refused}"
    );
    register(other, "c").unwrap();
    catalog.connection_closed(one, ConnectionEnd::Closed);
    catalog.delete_service(&key("a")).await.unwrap();
    register(again, "d").unwrap();
}

#[tokio::test(start_paused = true)]
async fn restored_instances_are_charged_once_their_clients_register_them_again() {
    let running = Running::with(limited(1), Memory::default(), Arc::new(NoEvents));
    let one = running.catalog.for_peer(peer("10.0.0.1"));
    let mut persistent = registration("10.0.0.1");
    persistent.kind = Kind::Persistent;
    let publisher = persistent.endpoint.publisher();
    one.register(&publisher, &key("a"), persistent.clone())
        .await
        .unwrap();
    assert_eq!(one.largest_shares().services, 1);
    let store = running.stop().await.unwrap();
    let running = Running::with(limited(1), store, Arc::new(NoEvents));
    let one = running.catalog.for_peer(peer("10.0.0.1"));
    assert_eq!(one.largest_shares().services, 0);
    one.register(&publisher, &key("a"), persistent.clone())
        .await
        .unwrap();
    assert_eq!(one.largest_shares().services, 1);
    let refused = one
        .register(&publisher, &key("b"), persistent.clone())
        .await;
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    // The collector itself has no share.
    running
        .catalog
        .register(&publisher, &key("b"), persistent)
        .await
        .unwrap();
}
