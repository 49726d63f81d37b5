//! Promises about the instances of other members, one by one.

use super::{
    super::super::{ClaimState, Full, Resource, Stamp},
    *,
};
use crate::catalog::{Missing, Refused, Registrant};

fn claim(at: u64, ip: &str) -> Claim {
    Claim {
        at: Stamp::from_number(at),
        replaces: Vec::new(),
        state: ClaimState::Registered {
            registration: registration(ip),
            needs_beats: true,
        },
    }
}

fn apply(member: &mut Member, from: &str, ip: &str, claim: Option<Claim>) -> Result<(), Refused> {
    let at = (key("s"), endpoint(ip));
    member.change(|registry, now, effects| {
        registry.apply_claim(&from.into(), &at, claim, now, effects)
    })
}

fn limited(limits: Limits) -> Member {
    let mut member = Member::new(0, 0);
    member.fixture = Fixture::with(limits);
    let epoch = Timestamp::from_millis(1_000_000);
    let name = Arc::clone(&member.name);
    member.fixture.registry.share_as(name, epoch);
    member
}

#[test]
fn a_claim_without_room_is_forgotten_and_leaves_room_for_own_registrations() {
    let limits = Limits {
        instances_per_service: 1,
        ..Limits::default()
    };
    let mut member = limited(limits);
    apply(&mut member, "m1", "10.0.0.1", Some(claim(1, "10.0.0.1"))).unwrap();
    let refused = apply(&mut member, "m1", "10.0.0.2", Some(claim(2, "10.0.0.2")));
    let full = Full {
        resource: Resource::InstancesPerService,
        limit: 1,
    };
    assert_eq!(refused, Err(Refused::Full(full)));
    assert_eq!(member.list().len(), 1);
    // A client that registers here what another member has takes no further room.
    let at = endpoint("10.0.0.1").publisher();
    member.fixture.register(&at, "s", registration("10.0.0.1"));
    apply(&mut member, "m1", "10.0.0.1", None).unwrap();
    assert_eq!(member.own(&place(1)).unwrap().publisher, at);
}

#[test]
fn a_claim_that_found_no_room_after_a_forgotten_deregistration_is_shown_once_there_is_room() {
    let limits = Limits {
        instances_per_service: 1,
        ..Limits::default()
    };
    let mut member = limited(limits);
    let first = || Some(claim(1, "10.0.0.1"));
    let removed = Claim {
        state: ClaimState::Deregistered {
            term: Duration::from_secs(15),
        },
        ..claim(2, "10.0.0.1")
    };
    apply(&mut member, "m1", "10.0.0.1", first()).unwrap();
    apply(&mut member, "m2", "10.0.0.1", Some(removed)).unwrap();
    apply(&mut member, "m1", "10.0.0.2", Some(claim(3, "10.0.0.2"))).unwrap();
    apply(&mut member, "m2", "10.0.0.1", None).unwrap_err();
    apply(&mut member, "m1", "10.0.0.2", None).unwrap();
    apply(&mut member, "m1", "10.0.0.1", first()).unwrap();
    assert!(member.list().contains_key(&place(1)));
}

#[test]
fn the_end_of_an_instance_is_one_event_while_the_claim_that_it_replaced_is_still_there() {
    let mut member = Member::new(0, 0);
    apply(&mut member, "m1", "10.0.0.1", Some(claim(1, "10.0.0.1"))).unwrap();
    let publisher = endpoint("10.0.0.1").publisher();
    let registered = registration("10.0.0.1");
    member.fixture.register(&publisher, "s", registered);
    let found = member.own(&place(1)).unwrap();
    member.change(|registry, now, effects| {
        registry.remove(found.reference, EventKind::Expired, now, effects)
    });
    let events = member.fixture.effects.events.iter();
    let expired = events.filter(|event| event.what == EventKind::Expired);
    assert_eq!(expired.count(), 1);
    assert!(member.list().is_empty());
}

#[test]
fn an_instance_of_another_member_is_charged_to_no_peer_and_never_leased() {
    let mut member = Member::new(0, 0);
    let publisher = endpoint("10.0.0.1").publisher();
    let by = Registrant {
        publisher,
        peer: Some([10, 9, 9, 9].into()),
    };
    member.change(|registry, now, effects| {
        let registered = registration("10.0.0.1");
        registry
            .register(by, &key("s"), registered, now, effects)
            .unwrap();
    });
    let before = member.fixture.registry.largest_shares().bytes;
    let later = 10_000_000_000;
    apply(
        &mut member,
        "m1",
        "10.0.0.1",
        Some(claim(later, "10.0.0.1")),
    )
    .unwrap();
    let registry = &member.fixture.registry;
    let found = registry
        .lookup(&key("s"), &endpoint("10.0.0.1"), None)
        .unwrap();
    assert_eq!(found.publisher, Publisher::Member("m1".into()));
    assert_eq!(registry.leased(found.reference), None);
    assert_eq!(member.fixture.effects.ended, [found.reference]);
    // The service stays charged to the peer that created it.
    assert!(registry.largest_shares().bytes < before);
    registry.check_shares();
}

#[test]
fn an_invalid_claim_is_refused_and_changes_nothing() {
    let mut member = Member::new(0, 0);
    let mut invalid = claim(1, "10.0.0.1");
    if let ClaimState::Registered { registration, .. } = &mut invalid.state {
        registration.weight = f64::NAN;
    }
    assert!(apply(&mut member, "m1", "10.0.0.1", Some(invalid)).is_err());
    assert!(member.list().is_empty());
    assert_eq!(member.fixture.registry.claimants().count(), 0);
}

#[test]
fn the_largest_stamp_does_not_stop_later_registrations() {
    let mut member = Member::new(0, 0);
    apply(
        &mut member,
        "m1",
        "10.0.0.1",
        Some(claim(u64::MAX, "10.0.0.1")),
    )
    .unwrap();
    let at = endpoint("10.0.0.2").publisher();
    member.fixture.register(&at, "s", registration("10.0.0.2"));
    assert!(member.own(&place(2)).is_some());
}

#[test]
fn a_deregistration_is_forgotten_after_its_term_unless_another_member_still_has_the_instance() {
    let mut member = Member::new(0, 0);
    for ip in ["10.0.0.1", "10.0.0.2"] {
        apply(&mut member, "m1", ip, Some(claim(1, ip))).unwrap();
        member.change(|registry, now, effects| {
            let times = (now, now.after(Duration::from_secs(15)));
            let removed =
                registry.deregister(&key("s"), &endpoint(ip), Kind::Ephemeral, times, effects);
            removed.unwrap();
        });
    }
    apply(&mut member, "m1", "10.0.0.2", None).unwrap();
    assert!(member.list().is_empty());
    member.fixture.pass(16);
    let term = Duration::from_secs(60);
    member.change(|registry, now, effects| registry.sweep(now, term, effects));
    let own = |number| member.fixture.registry.own_claim(&place(number));
    assert!(own(1).is_some(), "the other member may not have read it");
    assert_eq!(own(2), None);
}

#[test]
fn a_deregistration_at_a_member_that_has_not_read_the_registration_is_not_lost() {
    let mut world = World::new([0; MEMBERS]);
    world.apply(&Step::Register(0, Source::Address, 1, 1));
    world.publish(0);
    let removed = world.members[1].deregister(&place(1));
    assert_eq!(removed, Err(Missing::Service));
    // It follows the registration at the other member, and a late beat is refused at both.
    world.settle();
    for member in &world.members[..2] {
        let registry = &member.fixture.registry;
        let (service, endpoint) = place(1);
        assert!(member.list().is_empty());
        assert!(registry.has_tombstone(&service, &endpoint, member.fixture.now));
    }
}

#[test]
fn deregistrations_of_unknown_instances_are_bounded_and_those_of_known_ones_are_not() {
    let mut member = Member::new(0, 0);
    let at = |number: u32| {
        (
            key("s"),
            endpoint(&std::net::Ipv4Addr::from(number).to_string()),
        )
    };
    for number in 0..2_000 {
        let removed = member.deregister(&at(number));
        assert_eq!(removed, Err(Missing::Service));
    }
    // Once more: it changes nothing.
    let _missing = member.deregister(&at(0));
    assert_eq!(member.unpublished.len(), 1_024);
    apply(&mut member, "m1", "10.0.0.1", Some(claim(1, "10.0.0.1"))).unwrap();
    assert_eq!(member.deregister(&place(1)), Ok(()));
    assert_eq!(member.unpublished.len(), 1_025);
    // There is room again when they are forgotten.
    member.fixture.pass(16);
    let term = Duration::from_secs(60);
    for _ in 0..10 {
        member.change(|registry, now, effects| registry.sweep(now, term, effects));
    }
    let _missing = member.deregister(&at(5_000));
    assert_eq!(member.unpublished.len(), 1_026);
}

#[test]
fn a_connection_that_a_deregistration_did_not_know_is_shown_again_when_that_is_forgotten() {
    // The clock of the second member is a minute ahead.
    let mut world = World::new([0, 60_000, 0]);
    world.members[1].deregister(&place(1)).unwrap_err();
    world.apply(&Step::Register(0, Source::Connection(0), 1, 1));
    world.settle();
    assert!(world.members.iter().all(|it| it.list().is_empty()));
    for _ in 0..2 {
        for member in &mut world.members {
            member.fixture.pass(16);
            let term = Duration::from_secs(60);
            member.change(|registry, now, effects| registry.sweep(now, term, effects));
        }
        world.settle();
    }
    for member in &world.members {
        assert_eq!(member.list()[&place(1)].1, world.members[0].name);
    }
    world.check();
    // One that knew it ends it.
    world.members[1].deregister(&place(1)).unwrap();
    world.settle();
    assert_eq!(world.members[0].fixture.registry.own_claim(&place(1)), None);
}

#[test]
fn claims_are_charged_and_bounded_even_if_they_are_not_shown() {
    let limits = Limits {
        bytes: 100_000,
        ..Limits::default()
    };
    let mut member = limited(limits);
    let bytes = |member: &Member| member.fixture.registry.counts().bytes;
    assert_eq!(bytes(&member), 0);
    let removed = |at| Claim {
        state: ClaimState::Deregistered {
            term: Duration::from_secs(15),
        },
        ..claim(at, "10.0.0.1")
    };
    let ip = |number: u32| std::net::Ipv4Addr::from(number).to_string();
    let admitted = (0..1_000_u32)
        .take_while(|number| apply(&mut member, "m1", &ip(*number), Some(removed(1))).is_ok());
    let admitted = u32::try_from(admitted.count()).unwrap();
    assert!((50..200).contains(&admitted), "{admitted}");
    assert!(bytes(&member) >= 100_000);
    // Another claim on a known instance is not refused, so no deregistration of it is lost.
    apply(&mut member, "m2", &ip(0), Some(removed(2))).unwrap();
    for number in 0..admitted {
        apply(&mut member, "m1", &ip(number), None).unwrap();
    }
    apply(&mut member, "m2", &ip(0), None).unwrap();
    assert_eq!(bytes(&member), 0);
}

#[test]
fn the_registration_that_a_connection_keeps_behind_a_later_claim_is_charged() {
    let mut member = Member::new(0, 0);
    let mut registered = registration("10.0.0.1");
    registered.metadata = metadata(&[("k", &"v".repeat(500))]);
    let publisher = connection_publisher(1);
    member.fixture.register(&publisher, "s", registered);
    let bytes = |member: &Member| member.fixture.registry.counts().bytes;
    let alone = bytes(&member);
    // Much later, so that this member's claim is hidden, and its connection is still open.
    let later = claim(u64::MAX / 2, "10.0.0.1");
    apply(&mut member, "m1", "10.0.0.1", Some(later)).unwrap();
    assert!(member.own(&place(1)).is_none());
    let mut other = Member::new(2, 0);
    apply(&mut other, "m1", "10.0.0.1", Some(claim(1, "10.0.0.1"))).unwrap();
    assert!(bytes(&member) > bytes(&other) + 500);
    apply(&mut member, "m1", "10.0.0.1", None).unwrap();
    assert_eq!(member.own(&place(1)).unwrap().publisher, publisher);
    assert_eq!(bytes(&member), alone);
}

#[test]
fn an_instance_without_room_when_a_deregistration_is_forgotten_is_reported() {
    let limits = Limits {
        instances_per_service: 1,
        ..Limits::default()
    };
    let mut member = limited(limits);
    member.deregister(&place(1)).unwrap_err();
    // The other member has not read the deregistration, and its clock is behind.
    apply(&mut member, "m1", "10.0.0.1", Some(claim(1, "10.0.0.1"))).unwrap();
    let at = endpoint("10.0.0.2").publisher();
    member.fixture.register(&at, "s", registration("10.0.0.2"));
    member.fixture.pass(16);
    let term = Duration::from_secs(60);
    member.change(|registry, now, effects| registry.sweep(now, term, effects));
    assert_eq!(member.list().len(), 1);
    assert_eq!(member.fixture.effects.left_out, 1);
    assert_eq!(member.fixture.registry.claimants().count(), 0);
}

#[test]
fn a_deregistration_reaches_the_member_that_it_ended_although_a_later_claim_is_read_first() {
    let mut world = World::new([0; MEMBERS]);
    world.apply(&Step::Register(0, Source::Connection(0), 1, 1));
    world.publish(0);
    world.read(1, usize::MAX);
    world.apply(&Step::Deregister(1, 1));
    world.apply(&Step::Register(2, Source::Address, 1, 1));
    world.publish(2);
    world.read(1, usize::MAX);
    world.apply(&Step::Expire(2, 1));
    world.settle();
    assert!(world.members.iter().all(|it| it.list().is_empty()));
    world.check();
}
