//! Limits of the registry.

use super::super::{Full, Refused, Resource};
use super::*;

#[test]
fn every_limit_is_refused_by_name_and_changes_nothing() {
    let limits = Limits {
        services: 2,
        instances_per_service: 2,
        instances_per_connection: 3,
        metadata_bytes: 8,
        ..Limits::default()
    };
    let mut fixture = Fixture::with(limits);
    let batch = |fixture: &mut Fixture, name: &str, ips: &[&str]| {
        let registration = ips.iter().map(|ip| registration(ip)).collect();
        let (now, effects) = (fixture.now, &mut fixture.effects);
        fixture
            .registry
            .batch(connection(1), &key(name), registration, now, effects)
    };
    let full = |resource, limit| Err(Refused::Full(Full { resource, limit }));
    let too_many = batch(&mut fixture, "a", &["1", "2", "3"]);
    assert_eq!(too_many, full(Resource::InstancesPerService, 2));
    assert!(!fixture.registry.contains(&key("a")) && fixture.effects.is_empty());
    batch(&mut fixture, "a", &["1", "2"]).unwrap();
    batch(&mut fixture, "a", &["3", "4"]).unwrap();
    assert_eq!(
        batch(&mut fixture, "b", &["1", "2"]),
        full(Resource::InstancesPerConnection, 3)
    );
    batch(&mut fixture, "b", &["1"]).unwrap();
    assert_eq!(
        batch(&mut fixture, "c", &["1"]),
        full(Resource::Services, 2)
    );
    let mut large = registration("9");
    large.metadata = metadata(&[("12345", "6789")]);
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let publisher = Publisher::Operator;
    let refused = fixture
        .registry
        .register(&publisher, &key("b"), large, now, effects);
    let refused = refused.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the metadata is too large (nacos.default.max_metadata = 8)"
    );
}

#[test]
fn bytes_are_charged_and_given_back() {
    let mut fixture = Fixture::with(Limits {
        bytes: 2_000,
        ..Limits::default()
    });
    let publisher = Publisher::Operator;
    let mut refused = None;
    for number in 0..100 {
        let registration = registration(&format!("10.0.0.{number}"));
        let (now, effects) = (fixture.now, &mut fixture.effects);
        let done = fixture
            .registry
            .register(&publisher, &key("a"), registration, now, effects);
        if let Err(error) = done {
            refused = Some((number, error));
            break;
        }
    }
    let (number, error) = refused.unwrap();
    assert!((3..8).contains(&number), "refused after {number}: {error}");
    for ip in fixture.ips("a") {
        let times = (fixture.now, fixture.now);
        let (at, effects) = (endpoint(&ip), &mut fixture.effects);
        fixture
            .registry
            .deregister(&key("a"), &at, Kind::Ephemeral, times, effects)
            .unwrap();
    }
    fixture
        .registry
        .remove_service(&key("a"), &mut fixture.effects)
        .unwrap();
    assert_eq!(fixture.registry.counts().bytes, 0);
}
