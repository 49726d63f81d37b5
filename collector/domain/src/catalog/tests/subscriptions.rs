//! Subscriptions, by service and by subscriber.

use super::super::{Clusters, Full, Resource, Subscriber, SubscriptionKey, Subscriptions};
use super::*;

fn udp(port: u16) -> Subscriber {
    Subscriber::Udp {
        ip: "10.0.0.1".into(),
        port,
    }
}

#[test]
fn a_connection_has_one_subscription_and_an_address_one_for_each_clusters() {
    let mut all = Subscriptions::default();
    let of = |subscriber: Subscriber, clusters: &str| {
        SubscriptionKey::new(subscriber, &Clusters::new(clusters))
    };
    let one = Subscriber::Connection(connection(1));
    all.add(&key("a"), of(one.clone(), ""), 1, 9).unwrap();
    assert_eq!(all.add(&key("a"), of(one.clone(), "x"), 2, 9), Ok(Some(1)));
    all.add(&key("a"), of(udp(1), ""), 3, 9).unwrap();
    assert_eq!(all.add(&key("a"), of(udp(1), "x"), 4, 9), Ok(None));
    all.add(&key("b"), of(udp(1), ""), 5, 9).unwrap();
    assert_eq!((all.len(), all.subscribers()), (4, 2));
    let of_udp: Vec<i32> = all
        .of_subscriber(&udp(1))
        .map(|(_, value)| *value)
        .collect();
    assert_eq!(of_udp, [3, 4, 5]);
    let first = all
        .of_service(&key("a"), None)
        .next()
        .map(|(key, _)| key.clone());
    let rest: Vec<i32> = all
        .of_service(&key("a"), first.as_ref())
        .map(|(_, v)| *v)
        .collect();
    assert_eq!(rest, [3, 4]);
    assert_eq!(all.end(&udp(1)), [3, 4, 5]);
    assert_eq!(all.remove(&key("a"), &of(one, "whatever")), Some(2));
    assert!(all.is_empty() && all.services().next().is_none() && all.subscribers() == 0);
}

#[test]
fn the_limit_refuses_new_ones_only() {
    let mut all = Subscriptions::default();
    let of = |port| SubscriptionKey::new(udp(port), &Clusters::default());
    all.add(&key("a"), of(1), (), 1).unwrap();
    let full = Full {
        resource: Resource::Subscriptions,
        limit: 1,
    };
    assert_eq!(all.add(&key("a"), of(2), (), 1), Err(full));
    assert_eq!(all.add(&key("a"), of(1), (), 1), Ok(Some(())));
}

/// Pollers are recorded for operators only, so they must not use up the subscriptions of clients that receive pushes.
#[test]
fn pollers_have_a_part_of_the_limit_and_each_has_a_limit_of_its_own() {
    let mut all = Subscriptions::default();
    let of = |subscriber: Subscriber| SubscriptionKey::new(subscriber, &Clusters::default());
    let poller = |number: usize| Subscriber::Poller {
        ip: number.to_string().into(),
    };
    let full = Full {
        resource: Resource::Subscriptions,
        limit: 4_000,
    };
    for number in 0..256 {
        let name = key(&number.to_string());
        all.add(&name, of(poller(1)), (), 4_000).unwrap();
    }
    assert_eq!(all.add(&key("a"), of(poller(1)), (), 4_000), Err(full));
    for number in 2..146 {
        all.add(&key("a"), of(poller(number)), (), 4_000).unwrap();
    }
    assert_eq!(all.add(&key("a"), of(poller(200)), (), 4_000), Err(full));
    assert!(all.add(&key("a"), of(udp(1)), (), 4_000).is_ok());
    // Subscriptions that end make room.
    assert_eq!(all.end(&poller(1)).len(), 256);
    all.add(&key("a"), of(poller(200)), (), 4_000).unwrap();
    let renewed = all.renewed(None).count();
    assert_eq!((renewed, all.len()), (146, 146));
}
