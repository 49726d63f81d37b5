use rollcall_domain::{
    InstanceId,
    catalog::{Endpoint, ServiceKey},
    liveness::Cause,
};

use super::*;
use crate::{
    CollectorEvent, Config, Contact, Event, Feed, InstanceEvent, InstanceKind, Recorded,
    ServiceEvent, ServiceInstance,
};

const CHANGES: usize = 3600;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn peer(last: u8) -> Option<Peer> {
    Some(Peer::new([10, 0, 0, last].into()))
}

/// Takes from the share of a peer until it is empty, and once more.
fn empty(shares: &mut Shares, peer: Option<Peer>, now: Timestamp) -> usize {
    std::iter::repeat_with(|| shares.take(peer, now))
        .take_while(|taken| *taken)
        .count()
}

#[test]
fn a_peer_uses_up_its_own_share_alone_and_regains_it() {
    let mut shares = Shares::new(CHANGES);
    assert_eq!(empty(&mut shares, peer(1), at(0)), CHANGES);
    // Two of three peers may have one share.
    let others = [2, 3, 4].map(|other| shares.take(peer(other), at(0)));
    assert!(others.contains(&true), "{others:?}");
    assert_eq!(empty(&mut shares, peer(1), at(10_000)), 10, "one a second");
    let later = at(10_000 + 2 * 3_600_000);
    assert_eq!(empty(&mut shares, peer(1), later), CHANGES);
}

#[test]
fn a_clock_that_is_set_back_costs_no_share() {
    let mut shares = Shares::new(CHANGES);
    let days_ahead = at(1_000_000_000_000);
    assert!(shares.take(peer(1), days_ahead));
    assert_eq!(empty(&mut shares, peer(1), at(0)), CHANGES - 1);
    assert_eq!(empty(&mut shares, peer(1), at(5_000)), 5);
    assert_eq!(
        empty(&mut shares, peer(1), at(4_990)),
        0,
        "in another order"
    );
    assert_eq!(empty(&mut shares, peer(1), at(6_000)), 1);
}

#[test]
fn what_was_not_recorded_is_reported_once_a_minute_by_peer() {
    let mut shares = Shares::new(1);
    let all = u8::try_from(NAMED + 3).unwrap();
    for number in 1..=all {
        for _ in 0..=number {
            shares.take(peer(number), at(i64::from(number)));
        }
    }
    assert_eq!(shares.report(at(60_000)), [], "a minute has not passed");
    let report = shares.report(at(60_000 + 20));
    assert_eq!(report.len(), NAMED + 1);
    let changes = |at: usize| report[at].1.changes;
    assert_eq!(report[0].0, peer(all));
    assert!((0..NAMED - 1).all(|at| changes(at) >= changes(at + 1)));
    let (others, unrecorded) = report[NAMED];
    assert_eq!((others, unrecorded.since), (None, at(1)));
    assert_eq!(shares.report(at(200_000)), [], "it was reported");
}

#[test]
fn a_clock_that_is_set_back_delays_no_report() {
    let mut shares = Shares::new(1);
    let hour = at(3_600_000);
    empty(&mut shares, peer(1), hour);
    assert_eq!(shares.report(hour), [], "a minute has not passed");
    let unrecorded = Unrecorded {
        changes: 1,
        since: hour,
    };
    assert_eq!(shares.report(at(0)), [(peer(1), unrecorded)]);
}

fn feed() -> Feed {
    let config = Config {
        backlog: 8,
        per_peer: CHANGES,
        per_instance: 4,
        memory: 4 << 20,
        journal_size: 1 << 20,
    };
    Feed::new(&config, 1)
}

fn registered(number: i32) -> InstanceEvent {
    InstanceEvent {
        instance: InstanceId::new(number).unwrap(),
        kind: InstanceKind::Registered(Contact::default()),
    }
}

/// The events of the collector about peers, with the address of the peer and the number of changes.
fn flapping(feed: &Feed) -> Vec<(Option<String>, u64)> {
    let events = feed.of_the_collector();
    let about_peers = events.iter().map(|it| match &it.event {
        Event::Collector(event) => match &**event {
            CollectorEvent::Flapping {
                peer, unrecorded, ..
            } => (peer.clone(), *unrecorded),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    about_peers.collect()
}

#[test]
fn a_peer_that_registers_thousands_of_instances_does_not_push_out_the_changes_of_others() {
    let (feed, flood) = (feed(), 100_000_i32);
    feed.instance_by(peer(1), at(0), registered(1));
    for number in 2..=flood {
        feed.instance_by(peer(9), at(0), registered(number));
    }
    // The two peers may have the same share.
    let recorded = u64::try_from(CHANGES + 1).unwrap();
    assert!((recorded - 1..=recorded).contains(&feed.newest()));
    feed.instance_by(peer(1), at(60_000), registered(flood + 1));
    let one = InstanceId::new(1).unwrap();
    assert_eq!(feed.timeline(one).events.len(), 1, "it is still there");
    let [(by, unrecorded)] = &flapping(&feed)[..] else {
        panic!("one report");
    };
    assert_eq!(by.as_deref(), Some("10.0.0.9"));
    let left_out = u64::try_from(flood).unwrap() - recorded;
    assert!((left_out..=left_out + 1).contains(unrecorded));
}

#[test]
fn a_change_that_is_only_counted_is_missing_in_the_timeline_by_number() {
    let (feed, instance) = (feed(), InstanceId::new(1).unwrap());
    feed.instance_by(peer(1), at(0), registered(1));
    let up_to = i32::try_from(CHANGES).unwrap();
    (2..=up_to).for_each(|number| feed.instance_by(peer(1), at(0), registered(number)));
    let closed = || InstanceEvent {
        instance,
        kind: InstanceKind::ConnectionClosed {
            peer: None,
            cause: Cause::ClosedByPeer,
        },
    };
    feed.instance_by(peer(1), at(0), closed());
    assert_eq!(feed.timeline(instance).lost, Some(1));
    // Decisions of the collector have no peer.
    feed.instance(at(0), closed());
    let events = feed.timeline(instance).events;
    let is_counted = |it: &Recorded| {
        matches!(&it.event, Event::Instance(event)
            if matches!(event.kind, InstanceKind::Flapping { unrecorded: 1, .. }))
    };
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(is_counted(&events[1]), "{events:?}");
}

#[test]
fn instances_of_services_that_come_and_expire_do_not_push_out_the_others() {
    let feed = feed();
    let change = |port: u16, kind: &'static str| ServiceEvent {
        instance: ServiceInstance {
            service: ServiceKey::new("", "", "orders").unwrap(),
            endpoint: Endpoint::new("10.0.0.1", port, "").unwrap(),
        },
        is_ephemeral: true,
        kind: kind.into(),
        publisher: "10.0.0.1".into(),
        peer: None,
        client: None,
        connection_end: None,
        by: None,
        detail: None,
        unrecorded: 0,
    };
    feed.service_by(peer(1), at(0), change(1, "registered"));
    for port in 2..=60_000 {
        feed.service_by(peer(9), at(0), change(port, "registered"));
    }
    for port in 1..=60_000 {
        feed.service(at(0), change(port, "expired"));
    }
    let seen = |port| feed.service_timeline(&change(port, "expired").instance);
    assert_eq!(seen(1).events.len(), 2, "its end is recorded");
    // The changes of the peer's share, their ends, and the same number of ends of other instances.
    let most = u64::try_from(3 * CHANGES + 2).unwrap();
    assert!(feed.newest() <= most, "{}", feed.newest());
}

/// The peer of the instance may have used up its share when its flood ends.
#[test]
fn a_flood_is_reported_also_if_the_next_change_has_no_share() {
    let config = Config {
        backlog: 8,
        per_peer: 10,
        per_instance: 4,
        memory: 1 << 20,
        journal_size: 1 << 20,
    };
    let feed = Feed::new(&config, 1);
    let event = |number, kind| InstanceEvent {
        instance: InstanceId::new(number).unwrap(),
        kind,
    };
    let registered = |number| event(number, InstanceKind::Registered(Contact::default()));
    let closed = || {
        let cause = Cause::ClosedByPeer;
        event(1, InstanceKind::ConnectionClosed { peer: None, cause })
    };
    let first = InstanceId::new(1).unwrap();
    feed.instance_by(peer(1), at(0), registered(1));
    for number in 1..=1_000 {
        feed.instance_by(peer(1), at(number), closed());
    }
    for number in 2..=20 {
        feed.instance_by(peer(1), at(2_000), registered(number));
    }
    feed.instance_by(peer(1), at(61_100), closed());
    feed.report_counted(at(61_200));
    let timeline = feed.timeline(first);
    let reported = timeline.events.iter().find_map(|it| match &it.event {
        Event::Instance(InstanceEvent {
            kind: InstanceKind::Flapping { unrecorded, .. },
            ..
        }) => Some(*unrecorded),
        _ => None,
    });
    assert_eq!(reported, Some(1_000 - 3 + 1), "{timeline:?}");
}
