//! The shares of peers.

use std::net::{IpAddr, Ipv4Addr};

use super::super::{Full, Held, MetadataChange, Override, Refused, Registrant, Resource, Settings};
use super::*;
use crate::Timestamp;

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn by(peer: IpAddr) -> Registrant {
    Registrant {
        publisher: Publisher::Operator,
        peer: Some(peer),
    }
}

fn put(fixture: &mut Fixture, peer: IpAddr, name: &str, ip: &str) -> Result<(), Refused> {
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let registry = &mut fixture.registry;
    let admitted = registry.admits(by(peer), &key(name), &registration(ip));
    let done = registry.register(by(peer), &key(name), registration(ip), now, effects);
    registry.check_shares();
    assert_eq!(admitted.err(), done.clone().err());
    done.map(|_| ())
}

fn remove(fixture: &mut Fixture, name: &str, ip: &str) {
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let times = (now, now);
    let registry = &mut fixture.registry;
    registry
        .deregister(&key(name), &endpoint(ip), Kind::Ephemeral, times, effects)
        .unwrap();
    registry.check_shares();
}

fn full(resource: Resource, limit: usize) -> Result<(), Refused> {
    Err(Refused::Full(Full { resource, limit }))
}

#[test]
fn a_peer_uses_up_its_own_share_of_services_and_gets_it_back() {
    let mut fixture = Fixture::with(Limits {
        services: 5,
        services_per_peer: 2,
        ..Limits::default()
    });
    put(&mut fixture, ONE, "a", "1").unwrap();
    put(&mut fixture, ONE, "b", "1").unwrap();
    let refused = full(Resource::ServicesPerPeer, 2);
    assert_eq!(put(&mut fixture, ONE, "c", "1"), refused);
    put(&mut fixture, OTHER, "c", "1").unwrap();
    put(&mut fixture, ONE, "c", "2").unwrap();
    let settings = Settings::default();
    let registry = &fixture.registry;
    let created = |peer| registry.admits_settings(&key("d"), &settings, Some(peer));
    assert_eq!(created(ONE).map_err(Refused::from), refused);
    created(OTHER).unwrap();
    assert_eq!(registry.largest_shares().services, 2);
    remove(&mut fixture, "a", "1");
    fixture.pass(60);
    let (now, effects) = (fixture.now, &mut fixture.effects);
    fixture
        .registry
        .sweep(now, Duration::from_secs(60), effects);
    put(&mut fixture, ONE, "d", "1").unwrap();
    assert_eq!(put(&mut fixture, ONE, "e", "1"), refused);
}

#[test]
fn a_peer_uses_up_its_own_share_of_bytes_and_gets_it_back() {
    let mut fixture = Fixture::with(Limits {
        bytes_per_peer: 2_000,
        ..Limits::default()
    });
    let ips: Vec<String> = (0..20).map(|ip| ip.to_string()).collect();
    let fits = |ip: &&String| put(&mut fixture, ONE, "a", ip).is_ok();
    let count = ips.iter().take_while(fits).count();
    assert!((2..10).contains(&count), "{count}");
    let refused = full(Resource::BytesPerPeer, 2_000);
    assert_eq!(put(&mut fixture, ONE, "b", "1"), refused);
    put(&mut fixture, OTHER, "a", "x").unwrap();
    for ip in &ips[..count] {
        remove(&mut fixture, "a", ip);
    }
    remove(&mut fixture, "a", "x");
    let effects = &mut fixture.effects;
    fixture.registry.remove_service(&key("a"), effects).unwrap();
    assert_eq!(fixture.registry.largest_shares(), Held::default());
    put(&mut fixture, ONE, "b", "1").unwrap();
}

#[test]
fn overrides_are_charged_to_the_peer_of_the_service() {
    let mut fixture = Fixture::with(Limits {
        bytes_per_peer: 1_500,
        ..Limits::default()
    });
    put(&mut fixture, ONE, "a", "1").unwrap();
    let (registry, effects) = (&mut fixture.registry, &mut fixture.effects);
    let before = registry.largest_shares().bytes;
    let at = endpoint("1");
    let set = |text: &str| Override {
        metadata: Some(MetadataChange::Merge(metadata(&[("k", text)]))),
        ..Override::none(Timestamp::from_millis(0))
    };
    let large = set(&"v".repeat(1_000));
    let admitted = registry.admits_override(&key("a"), &at, &large, Some(OTHER));
    assert_eq!(
        admitted.map_err(Refused::from),
        full(Resource::BytesPerPeer, 1_500)
    );
    // An operator has no share.
    registry
        .admits_override(&key("a"), &at, &large, None)
        .unwrap();
    registry
        .set_override(&key("a"), &at, set("v"), effects)
        .unwrap();
    registry.check_shares();
    assert!(registry.largest_shares().bytes > before);
    let none = Override::none(Timestamp::from_millis(0));
    registry
        .set_override(&key("a"), &at, none, effects)
        .unwrap();
    registry.check_shares();
    assert_eq!(registry.largest_shares().bytes, before);
}

#[test]
fn an_override_on_a_service_of_no_peer_is_limited_by_the_share_of_its_peer() {
    let mut fixture = Fixture::with(Limits {
        bytes_per_peer: 1_500,
        ..Limits::default()
    });
    // Restored from a store.
    fixture.register(&Publisher::Restored, "a", registration("1"));
    let (registry, effects) = (&mut fixture.registry, &mut fixture.effects);
    let at = endpoint("1");
    let set = |length: usize| Override {
        metadata: Some(MetadataChange::Merge(metadata(&[(
            "k",
            &"v".repeat(length),
        )]))),
        ..Override::none(Timestamp::from_millis(0))
    };
    let admits = |registry: &Registry, length, peer| {
        let admitted = registry.admits_override(&key("a"), &at, &set(length), peer);
        admitted.map_err(Refused::from)
    };
    let refused = full(Resource::BytesPerPeer, 1_500);
    assert_eq!(admits(registry, 2_000, Some(ONE)), refused);
    admits(registry, 2_000, None).unwrap();
    admits(registry, 100, Some(ONE)).unwrap();
    registry
        .set_override(&key("a"), &at, set(100), effects)
        .unwrap();
    registry.charge_service(&key("a"), Some(ONE));
    registry.check_shares();
    let share = registry.largest_shares();
    assert!(share.services == 1 && share.bytes > 100, "{share:?}");
    assert_eq!(admits(registry, 2_000, Some(OTHER)), refused);
}

#[test]
fn a_registration_that_adds_nothing_is_admitted_and_charged_to_its_peer() {
    let mut fixture = Fixture::with(Limits {
        services_per_peer: 1,
        bytes_per_peer: 800,
        ..Limits::default()
    });
    // Restored from a store.
    for name in ["a", "b", "c"] {
        fixture.register(&Publisher::Restored, name, registration("1"));
    }
    assert_eq!(fixture.registry.largest_shares(), Held::default());
    for name in ["a", "b", "c"] {
        put(&mut fixture, ONE, name, "1").unwrap();
    }
    let share = fixture.registry.largest_shares();
    assert!(share.services == 3 && share.bytes > 800, "{share:?}");
    put(&mut fixture, OTHER, "b", "1").unwrap();
    assert!(fixture.registry.largest_shares().bytes < share.bytes);
    assert_eq!(
        put(&mut fixture, ONE, "a", "2"),
        full(Resource::BytesPerPeer, 800)
    );
}

/// Another collector that shares the store admitted the change, so this collector must apply it.
#[test]
fn a_registration_of_no_peer_is_limited_by_no_share() {
    let mut fixture = Fixture::with(Limits {
        bytes_per_peer: 1_000,
        ..Limits::default()
    });
    put(&mut fixture, ONE, "a", "1").unwrap();
    let mut larger = registration("1");
    larger.metadata = metadata(&[("k", &*"v".repeat(1_000))]);
    fixture.register(&Publisher::Operator, "a", larger);
    fixture.registry.check_shares();
    assert!(fixture.registry.largest_shares().bytes > 1_000);
}

#[test]
fn settings_are_charged_to_the_peer_of_the_service() {
    let mut fixture = Fixture::with(Limits {
        bytes_per_peer: 1_500,
        ..Limits::default()
    });
    let settings = |text: &str| Settings {
        metadata: metadata(&[("k", text)]),
        ..Settings::default()
    };
    put(&mut fixture, ONE, "a", "1").unwrap();
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let registry = &mut fixture.registry;
    let before = registry.largest_shares().bytes;
    registry
        .set_service(&key("a"), settings("v"), now, effects)
        .unwrap();
    registry.check_shares();
    assert!(registry.largest_shares().bytes > before);
    let large = settings(&"v".repeat(1_000));
    let admitted = registry.admits_settings(&key("a"), &large, Some(OTHER));
    assert_eq!(
        admitted.map_err(Refused::from),
        full(Resource::BytesPerPeer, 1_500)
    );
    registry.unset_service(&key("a"), effects);
    registry.check_shares();
    assert_eq!(registry.largest_shares().bytes, before);
}
