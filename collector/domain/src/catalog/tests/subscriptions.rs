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
