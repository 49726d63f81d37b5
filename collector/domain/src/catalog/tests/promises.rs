//! Promises of the registry, one by one.

use super::super::{EventKind, Override, Selection, Settings};
use super::*;
use crate::Timestamp;

#[test]
fn a_registration_that_changes_nothing_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    fixture.effects = Effects::default();
    let revision = fixture.registry.revision(&key("a"));
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    assert!(fixture.effects.is_empty());
    assert_eq!(fixture.registry.revision(&key("a")), revision);
}

#[test]
fn the_end_of_an_earlier_connection_removes_nothing_that_was_taken_over() {
    let mut fixture = Fixture::new();
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    fixture.register(&connection_publisher(2), "a", registration("10.0.0.1"));
    let (now, effects) = (fixture.now, &mut fixture.effects);
    assert!(
        fixture
            .registry
            .end(connection(1), ConnectionEnd::Dropped, 100, now, effects)
    );
    assert_eq!(fixture.ips("a"), ["10.0.0.1"]);
}

#[test]
fn an_override_wins_over_registrations_and_outlives_its_instance_for_a_term() {
    let mut fixture = Fixture::new();
    let publisher = connection_publisher(1);
    fixture.register(&publisher, "a", registration("10.0.0.1"));
    let offline = Override {
        enabled: Some(false),
        ..Override::none(Timestamp::from_millis(7))
    };
    let at = endpoint("10.0.0.1");
    let effects = &mut fixture.effects;
    fixture
        .registry
        .set_override(&key("a"), &at, offline, effects)
        .unwrap();
    let is_enabled = |fixture: &Fixture| {
        let found = fixture.registry.lookup(&key("a"), &at, None).unwrap();
        found.enabled()
    };
    fixture.register(&publisher, "a", registration("10.0.0.1"));
    assert!(!is_enabled(&fixture), "a re-registration does not undo it");
    fixture.registry.end(
        connection(1),
        ConnectionEnd::Dropped,
        9,
        fixture.now,
        &mut fixture.effects,
    );
    fixture.pass(59);
    fixture
        .registry
        .sweep(fixture.now, Duration::from_secs(1), &mut fixture.effects);
    fixture.register(&connection_publisher(2), "a", registration("10.0.0.1"));
    assert!(
        !is_enabled(&fixture),
        "a reconnect within the term does not undo it"
    );
    fixture.registry.end(
        connection(2),
        ConnectionEnd::Dropped,
        9,
        fixture.now,
        &mut fixture.effects,
    );
    fixture.pass(61);
    let swept = fixture
        .registry
        .sweep(fixture.now, Duration::from_secs(1), &mut fixture.effects);
    assert_eq!(swept.overrides, [(key("a"), at.clone())]);
    fixture.register(&connection_publisher(3), "a", registration("10.0.0.1"));
    assert!(is_enabled(&fixture), "it ends a term after its instance");
    assert_eq!(fixture.registry.counts().overrides, 0);
}

#[test]
fn for_a_term_only_a_registration_restores_a_deregistered_instance() {
    let mut fixture = Fixture::new();
    fixture.register(
        &endpoint("10.0.0.1").publisher(),
        "a",
        registration("10.0.0.1"),
    );
    let until = fixture.now.after(Duration::from_secs(15));
    let at = endpoint("10.0.0.1");
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let times = (now, until);
    fixture
        .registry
        .deregister(&key("a"), &at, Kind::Ephemeral, times, effects)
        .unwrap();
    fixture.pass(14);
    assert!(fixture.registry.has_tombstone(&key("a"), &at, fixture.now));
    fixture.pass(1);
    assert!(!fixture.registry.has_tombstone(&key("a"), &at, fixture.now));
    fixture
        .registry
        .sweep(fixture.now, Duration::from_secs(60), &mut fixture.effects);
    assert_eq!(fixture.registry.counts().tombstones, 0);
    let times = (fixture.now, fixture.now.after(Duration::from_secs(15)));
    fixture.register(&at.publisher(), "a", registration("10.0.0.1"));
    let effects = &mut fixture.effects;
    fixture
        .registry
        .deregister(&key("a"), &at, Kind::Ephemeral, times, effects)
        .unwrap();
    fixture.register(&at.publisher(), "a", registration("10.0.0.1"));
    assert!(!fixture.registry.has_tombstone(&key("a"), &at, fixture.now));
}

#[test]
fn an_empty_service_ends_after_its_term_unless_it_was_created() {
    let mut fixture = Fixture::new();
    let term = Duration::from_secs(60);
    fixture.register(
        &connection_publisher(1),
        "implicit",
        registration("10.0.0.1"),
    );
    fixture.register(
        &connection_publisher(1),
        "created",
        registration("10.0.0.1"),
    );
    let (now, effects) = (fixture.now, &mut fixture.effects);
    fixture
        .registry
        .set_service(&key("created"), Settings::default(), now, effects)
        .unwrap();
    fixture.pass(120);
    let swept = fixture
        .registry
        .sweep(fixture.now, term, &mut fixture.effects);
    assert!(swept.services.is_empty(), "neither is empty");
    fixture.registry.end(
        connection(1),
        ConnectionEnd::Dropped,
        9,
        fixture.now,
        &mut fixture.effects,
    );
    fixture.pass(30);
    let (now, effects) = (fixture.now, &mut fixture.effects);
    assert!(
        fixture
            .registry
            .sweep(now, term, effects)
            .services
            .is_empty()
    );
    fixture.pass(31);
    fixture.effects = Effects::default();
    let swept = fixture
        .registry
        .sweep(fixture.now, term, &mut fixture.effects);
    assert_eq!(swept.services, [key("implicit")]);
    assert_eq!(fixture.effects.vanished, [key("implicit")]);
    assert!(
        fixture.effects.changed.is_empty(),
        "its list was empty before"
    );
    assert!(fixture.registry.contains(&key("created")));
}

#[test]
fn a_service_that_is_created_again_has_a_revision_of_its_own() {
    let mut fixture = Fixture::new();
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    let first = fixture.registry.revision(&key("a"));
    fixture.registry.end(
        connection(1),
        ConnectionEnd::Dropped,
        9,
        fixture.now,
        &mut fixture.effects,
    );
    fixture
        .registry
        .remove_service(&key("a"), &mut fixture.effects)
        .unwrap();
    assert_eq!(fixture.registry.revision(&key("a")), 0);
    fixture.register(&connection_publisher(2), "a", registration("10.0.0.1"));
    assert!(fixture.registry.revision(&key("a")) > first);
}

#[test]
fn the_evidence_names_the_publisher_that_lost_an_instance() {
    let mut fixture = Fixture::new();
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    fixture.effects = Effects::default();
    fixture.register(&connection_publisher(2), "a", registration("10.0.0.1"));
    let event = fixture.effects.events.first().unwrap();
    assert_eq!(
        (event.what, &event.publisher),
        (EventKind::TakenOver, &connection_publisher(1))
    );
    assert!(
        fixture.effects.changed.is_empty(),
        "consumers see no difference"
    );
}

#[test]
fn the_evidence_of_an_instance_that_ended_with_its_connection_is_how_that_ended() {
    let mut fixture = Fixture::new();
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    fixture.register(&connection_publisher(1), "b", registration("10.0.0.1"));
    fixture.effects = Effects::default();
    let (now, effects) = (fixture.now, &mut fixture.effects);
    let end = ConnectionEnd::TimedOut;
    while !fixture.registry.end(connection(1), end, 1, now, effects) {}
    let ended = fixture.effects.events.iter().map(|event| event.what);
    assert_eq!(
        ended.collect::<Vec<_>>(),
        [EventKind::ConnectionEnded(ConnectionEnd::TimedOut); 2]
    );
}

#[test]
fn an_answer_is_never_stamped_earlier_than_one_before_and_later_after_a_change() {
    let mut fixture = Fixture::new();
    let wall = Timestamp::from_millis(1_000);
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    let stamp = |fixture: &Fixture, millis| {
        let wall = Timestamp::from_millis(millis);
        fixture.registry.stamp(&key("a"), wall).millis()
    };
    assert_eq!(fixture.registry.stamp(&key("a"), wall).millis(), 1_000);
    assert_eq!(
        stamp(&fixture, 1_000),
        1_000,
        "the same list may carry the same time"
    );
    let mut heavy = registration("10.0.0.1");
    heavy.weight = 2.0;
    fixture.register(&connection_publisher(1), "a", heavy);
    assert_eq!(
        stamp(&fixture, 1_000),
        1_001,
        "another list carries a later one"
    );
    assert_eq!(
        stamp(&fixture, 500),
        1_001,
        "a clock that is set back does not show"
    );
    assert_eq!(stamp(&fixture, 2_000), 2_000);
}

#[test]
fn both_kinds_exist_side_by_side() {
    let mut fixture = Fixture::new();
    fixture.register(&connection_publisher(1), "a", registration("10.0.0.1"));
    let mut persistent = registration("10.0.0.1");
    persistent.kind = Kind::Persistent;
    fixture.register(&endpoint("10.0.0.1").publisher(), "a", persistent);
    assert_eq!(fixture.ips("a"), ["10.0.0.1", "10.0.0.1"]);
    fixture.registry.end(
        connection(1),
        ConnectionEnd::Dropped,
        9,
        fixture.now,
        &mut fixture.effects,
    );
    let left = fixture
        .registry
        .view(&key("a"), &Selection::default())
        .hosts;
    assert_eq!(
        left.iter().map(|host| host.kind).collect::<Vec<_>>(),
        [Kind::Persistent]
    );
}
