use std::time::Duration;

use rollcall_domain::{
    InstanceId,
    catalog::{Endpoint, ServiceKey},
    inventory::Generation,
    liveness::{Cause, Observer, Signal, State},
};

use super::*;
use crate::event::{
    Changed, Connection, Contact, InstanceEvent, InstanceKind, ServiceEvent, ServiceFilter,
    ServiceInstance,
};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The event after it was packed and unpacked, and its bytes without those of its subject.
fn repacked<S: Subject>(subject: &S, event: &S::Event, words: &mut Words) -> (Event, usize) {
    let (mut key, mut bytes) = (Vec::new(), Vec::new());
    subject.pack(&mut key);
    S::pack_event(event, AT, words, &mut bytes);
    let subject = S::unpack(&key).unwrap();
    let event = subject.unpack_event(AT, words, &bytes).unwrap();
    (event, bytes.len())
}

fn place(parts: [&str; 5], port: u16) -> ServiceInstance {
    let [namespace, group, name, ip, cluster] = parts;
    ServiceInstance {
        service: ServiceKey::new(namespace, group, name).unwrap(),
        endpoint: Endpoint {
            ip: ip.into(),
            port,
            cluster: cluster.into(),
        },
    }
}

fn registered(instance: ServiceInstance) -> ServiceEvent {
    ServiceEvent {
        instance,
        is_ephemeral: true,
        kind: "registered".into(),
        publisher: "connection 17".into(),
        peer: Some("10.0.0.9:5123".into()),
        client: Some("Nacos-Java-Client:v2.5.1".into()),
        connection_end: None,
        by: None,
        detail: None,
        unrecorded: 0,
    }
}

#[test]
fn numbers_of_every_size_come_back() {
    let mut bytes = Vec::new();
    let numbers = [0, 1, -1, 63, 64, -65, 1 << 40, i64::MAX, i64::MIN];
    for number in numbers {
        put_signed(&mut bytes, number);
        put_number(&mut bytes, number.cast_unsigned());
    }
    let mut from = Bytes::of(&bytes);
    for number in numbers {
        assert_eq!(from.signed(), Some(number));
        assert_eq!(from.number(), Some(number.cast_unsigned()));
    }
    assert_eq!(from.number(), None);
    assert_eq!(Bytes::of(&[0xff; 11]).number(), None);
}

#[test]
fn every_event_of_an_agent_comes_back() {
    let peers = [
        None,
        Some("10.0.0.1:80".parse().unwrap()),
        Some("[fe80::1%7]:80".parse().unwrap()),
    ];
    let contact = |peer, clock_skew: Option<i32>| Contact {
        peer,
        generation: clock_skew.map(|_| Generation::V5),
        clock_skew,
    };
    let changed = |connection, observer| Changed {
        from: State::Silent,
        to: State::Left,
        since: Timestamp::from_millis(-1),
        last_seen: Timestamp::from_millis(i64::MAX),
        signal: Signal::Leave,
        usual: Duration::from_millis(3_001),
        term: Duration::from_millis(u64::MAX),
        connection,
        observer,
        is_reported: true,
    };
    let cause = Cause::Timeout;
    let elsewhere = [None, std::num::NonZeroU32::new(u32::MAX).map(Into::into)];
    let observers = elsewhere.map(Observer::Elsewhere);
    let closed = Connection::Closed { at: AT, cause };
    let mut kinds = vec![
        InstanceKind::StateChanged(changed(Connection::Unknown, Observer::Here)),
        InstanceKind::StateChanged(changed(Connection::Open, observers[0])),
        InstanceKind::StateChanged(changed(closed, observers[1])),
        InstanceKind::Flapping {
            unrecorded: u64::MAX,
            since: Timestamp::from_millis(0),
        },
    ];
    for peer in peers {
        kinds.push(InstanceKind::Registered(contact(peer, None)));
        kinds.push(InstanceKind::Adopted(contact(peer, Some(i32::MIN))));
        kinds.push(InstanceKind::Recovered(contact(peer, Some(0))));
        kinds.push(InstanceKind::Reconnected(contact(peer, None)));
        kinds.push(InstanceKind::ClockDiffers(contact(peer, Some(-90_000))));
        kinds.push(InstanceKind::Stray(contact(peer, None)));
        kinds.push(InstanceKind::ConnectionClosed { peer, cause });
        let [from, to] = observers;
        kinds.push(InstanceKind::Moved { from, to, peer });
    }
    for kind in kinds {
        let instance = InstanceId::new(i32::MIN).unwrap();
        let event = InstanceEvent { instance, kind };
        let (came_back, _) = repacked(&instance, &event, &mut Words::default());
        assert_eq!(came_back, Event::Instance(event));
    }
}

#[test]
fn every_text_of_an_event_comes_back() {
    let long = "é".repeat(2_000);
    let texts = [
        "",
        "public",
        "operator",
        "roster of an earlier run",
        "10.0.0.1",
        "010.0.0.1",
        "10.0.0.1:80",
        "10.0.0.1:080",
        "10.0.0.1:+80",
        "10.0.0.1:70000",
        "[::1]:80",
        "connection 7",
        "connection 07",
        "connection +7",
        "connection ",
        "connection 99999999999999999999",
        "web-1.example.org",
        "line\nbreak \u{2028}",
        &long,
    ];
    let mut words = Words::default();
    for text in texts {
        let mut event = registered(place(["n", "g", "s", text, text], 80));
        event.kind = text.to_owned().into();
        event.publisher = text.into();
        event.peer = Some(text.into());
        event.client = Some(text.into());
        event.connection_end = Some(text.to_owned().into());
        event.by = Some(text.to_owned().into());
        event.detail = Some(text.into());
        event.unrecorded = 7;
        let (came_back, _) = repacked(&event.instance, &event, &mut words);
        assert_eq!(came_back, Event::Service(Box::new(event)));
    }
}

#[test]
fn clients_with_ever_new_names_do_not_grow_the_shared_texts() {
    let mut words = Words::default();
    for number in 0..10_000 {
        let mut event = registered(place(["", "", "orders", "10.0.0.1", "DEFAULT"], 80));
        event.client = Some(format!("client {number}").into());
        let (came_back, _) = repacked(&event.instance, &event, &mut words);
        assert_eq!(came_back, Event::Service(Box::new(event)));
    }
    assert!(format!("{words:?}").len() < 64 * 80);
}

#[test]
fn the_usual_registration_takes_few_bytes() {
    let instance = place(["", "", "orders", "10.0.0.1", "DEFAULT"], 8080);
    let mut key = Vec::new();
    instance.pack(&mut key);
    let event = registered(instance.clone());
    let (_, bytes) = repacked(&instance, &event, &mut Words::default());
    assert!(key.len() <= 17 && bytes <= 12, "{} {bytes}", key.len());
}

#[test]
fn a_filter_selects_by_the_parts_that_it_has() {
    let instance = place(["dev", "", "orders", "10.0.0.1", "DEFAULT"], 8080);
    let mut packed = Vec::new();
    instance.pack(&mut packed);
    let selects = |filter: &ServiceFilter| PackedFilter::of(filter).selects(&packed);
    let text = |text: &str| Some(text.to_owned());
    let all = ServiceFilter {
        namespace: text("dev"),
        group: text("DEFAULT_GROUP"),
        service: text("orders"),
        endpoint: Some(("10.0.0.1".to_owned(), 8080)),
        cluster: text("DEFAULT"),
    };
    assert!(selects(&ServiceFilter::default()) && selects(&all));
    for other in [
        ServiceFilter {
            namespace: text("public"),
            ..all.clone()
        },
        ServiceFilter {
            group: text("dev"),
            ..all.clone()
        },
        ServiceFilter {
            service: text("order"),
            ..all.clone()
        },
        ServiceFilter {
            endpoint: Some(("10.0.0.2".to_owned(), 8080)),
            ..all.clone()
        },
        ServiceFilter {
            endpoint: Some(("10.0.0.1".to_owned(), 8081)),
            ..all.clone()
        },
        ServiceFilter {
            cluster: text("north"),
            ..all.clone()
        },
    ] {
        assert!(!selects(&other), "{other:?}");
    }
}
