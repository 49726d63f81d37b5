//! Limits of the registry.

use super::super::{Full, MetadataChange, Override, Patch, Refused, Resource, Settings};
use super::*;
use crate::Timestamp;

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

/// A client that connects again repeats its batch while its earlier connection still holds the instances.
#[test]
fn a_repeated_batch_on_a_new_connection_needs_no_room_at_the_limits() {
    let names = || vec![registration("1"), registration("2")];
    let mut first = Fixture::new();
    let (now, effects) = (first.now, &mut first.effects);
    first
        .registry
        .batch(connection(1), &key("a"), names(), now, effects)
        .unwrap();
    let mut fixture = Fixture::with(Limits {
        instances_per_service: 2,
        instances_per_connection: 2,
        bytes: first.registry.counts().bytes,
        ..Limits::default()
    });
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let registry = &mut fixture.registry;
    for number in [1, 2, 2] {
        let done = registry.batch(connection(number), &key("a"), names(), now, effects);
        assert!(done.is_ok(), "connection {number}: {done:?}");
    }
    assert!(registry.end(connection(1), ConnectionEnd::Dropped, 10, now, effects));
    assert_eq!(registry.counts().ephemeral, 2);
    let larger = names().into_iter().chain([registration("3")]).collect();
    let refused = registry.batch(connection(2), &key("a"), larger, now, effects);
    let full = Full {
        resource: Resource::InstancesPerService,
        limit: 2,
    };
    assert_eq!(refused, Err(Refused::Full(full)));
}

/// A registration without an id keeps the recorded id, which counts.
#[test]
fn a_batch_that_is_refused_for_the_bytes_of_a_kept_id_changes_nothing() {
    let with_id = |ip, id: &str| Registration {
        instance_id: Some(id.into()),
        ..registration(ip)
    };
    let names = vec![registration("1"), with_id("2", &"i".repeat(300))];
    let mut first = Fixture::new();
    let (now, effects) = (first.now, &mut first.effects);
    first
        .registry
        .batch(connection(1), &key("a"), names.clone(), now, effects)
        .unwrap();
    let mut fixture = Fixture::with(Limits {
        bytes: first.registry.counts().bytes,
        ..Limits::default()
    });
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let registry = &mut fixture.registry;
    registry
        .batch(connection(1), &key("a"), names, now, effects)
        .unwrap();
    let before = registry.counts();
    *effects = Effects::default();
    let changed = Registration {
        weight: 2.0,
        ..registration("1")
    };
    let larger = Registration {
        metadata: metadata(&[("k", "v")]),
        ..registration("2")
    };
    let refused = registry.batch(
        connection(1),
        &key("a"),
        vec![changed, larger],
        now,
        effects,
    );
    assert!(matches!(refused, Err(Refused::Full(_))), "{refused:?}");
    assert_eq!(registry.counts(), before);
    assert!(effects.is_empty());
}

/// A registry with room for 4,000 bytes, with a small instance of the service `a` that the operator holds.
fn small() -> Fixture {
    let mut fixture = Fixture::with(Limits {
        bytes: 4_000,
        instances_per_connection: 1,
        ..Limits::default()
    });
    fixture.register(&Publisher::Operator, "a", registration("1"));
    fixture
}

fn large() -> Arc<Metadata> {
    metadata(&[("k", &"x".repeat(4_000))])
}

fn full<T>() -> Result<T, Refused> {
    Err(Refused::Full(Full {
        resource: Resource::Bytes,
        limit: 4_000,
    }))
}

#[test]
fn a_change_of_an_instance_is_charged_and_refused_at_the_limit() {
    let mut fixture = small();
    let before = fixture.registry.counts();
    let mut changed = registration("1");
    changed.metadata = large();
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let registry = &mut fixture.registry;
    let publisher = Publisher::Operator;
    assert_eq!(registry.admits(&publisher, &key("a"), &changed), full());
    let refused = registry.register(&publisher, &key("a"), changed, now, effects);
    assert_eq!(refused, full());
    let instance = registry.instances(&key("a")).unwrap().remove(0);
    let patch = Patch {
        metadata: Some(MetadataChange::Replace(large())),
        ..Patch::default()
    };
    let refused = registry.patch(instance.reference, &patch, effects);
    assert_eq!(refused, full());
    assert_eq!(registry.counts(), before);
    // A change that adds nothing is admitted at the limit.
    let same = registry.register(&publisher, &key("a"), registration("1"), now, effects);
    assert!(same.is_ok() && registry.counts() == before);
}

#[test]
fn an_instance_that_a_connection_takes_over_counts_for_its_limit() {
    let mut fixture = small();
    fixture.register(&connection_publisher(1), "b", registration("2"));
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let (publisher, registry) = (connection_publisher(1), &mut fixture.registry);
    let refused = registry.register(&publisher, &key("a"), registration("1"), now, effects);
    let limit = Full {
        resource: Resource::InstancesPerConnection,
        limit: 1,
    };
    assert_eq!(refused, Err(Refused::Full(limit)));
    let owner = &registry.instances(&key("a")).unwrap()[0].publisher;
    assert_eq!(owner, &Publisher::Operator);
}

/// A regression test: the bytes of the removed instances were not subtracted, so the swap was refused.
#[test]
fn a_swap_of_instances_at_the_limit_of_bytes_is_admitted() {
    let swap = |fixture: &mut Fixture, ips: [&str; 3]| {
        let (now, effects) = (fixture.now, &mut fixture.effects);
        let batch = ips.into_iter().map(registration).collect();
        let registry = &mut fixture.registry;
        let done = registry.batch(connection(1), &key("a"), batch, now, effects);
        done.and_then(|_| {
            let (publisher, mut one) = (connection_publisher(2), registration(ips[0]));
            one.endpoint.port = 81;
            registry.register(&publisher, &key("a"), one, now, effects)
        })
    };
    let mut large = Fixture::new();
    swap(&mut large, ["1", "2", "3"]).unwrap();
    let mut fixture = Fixture::with(Limits {
        bytes: large.registry.counts().bytes,
        ..Limits::default()
    });
    swap(&mut fixture, ["1", "2", "3"]).unwrap();
    swap(&mut fixture, ["4", "5", "6"]).unwrap();
    assert_eq!(
        swap(&mut fixture, ["7", "8", "10"]).map(|_| ()),
        Err(Refused::Full(Full {
            resource: Resource::Bytes,
            limit: large.registry.counts().bytes,
        }))
    );
    assert_eq!(fixture.ips("a"), ["4", "4", "5", "6"]);
    assert_eq!(
        fixture.registry.counts().bytes,
        large.registry.counts().bytes
    );
}

#[test]
fn settings_and_overrides_are_charged_and_given_back() {
    let mut fixture = small();
    let before = fixture.registry.counts();
    let at = endpoint("1");
    let set = |metadata| Override {
        metadata: Some(MetadataChange::Merge(metadata)),
        ..Override::none(Timestamp::from_millis(0))
    };
    let settings = |metadata| Settings {
        metadata,
        ..Settings::default()
    };
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let registry = &mut fixture.registry;
    let refused = registry.admits_override(&key("a"), &at, &set(large()), None);
    assert_eq!(Err(Refused::from(refused.unwrap_err())), full::<()>());
    let refused = registry.admits_settings(&key("a"), &settings(large()), None);
    assert_eq!(Err(Refused::from(refused.unwrap_err())), full::<()>());
    let some = metadata(&[("k", "v")]);
    registry
        .set_override(&key("a"), &at, set(Arc::clone(&some)), effects)
        .unwrap();
    let with_override = registry.counts().bytes;
    registry
        .set_service(&key("a"), settings(some), now, effects)
        .unwrap();
    assert!(before.bytes < with_override && with_override < registry.counts().bytes);
    registry.unset_service(&key("a"), effects);
    assert_eq!(registry.counts().bytes, with_override);
    let none = Override::none(Timestamp::from_millis(0));
    registry
        .set_override(&key("a"), &at, none, effects)
        .unwrap();
    assert_eq!(registry.counts(), before);
}

/// After a refusal nothing has changed.
#[test]
fn a_refused_registration_leaves_the_tombstone_and_reports_no_service() {
    let mut fixture = small();
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let registry = &mut fixture.registry;
    let until = now.after(Duration::from_secs(15));
    registry
        .deregister(
            &key("a"),
            &endpoint("1"),
            Kind::Ephemeral,
            (now, until),
            effects,
        )
        .unwrap();
    *effects = Effects::default();
    for name in ["a", "new"] {
        let mut large_one = registration("1");
        large_one.metadata = large();
        let publisher = Publisher::Operator;
        let refused = registry.register(&publisher, &key(name), large_one, now, effects);
        assert_eq!(refused, full());
    }
    assert!(registry.has_tombstone(&key("a"), &endpoint("1"), now));
    assert!(effects.is_empty());
}
