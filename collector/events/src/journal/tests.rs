use std::{borrow::Cow, fs, net::SocketAddr};

use rollcall_domain::{
    InstanceId,
    catalog::{Endpoint, ServiceKey},
    inventory::Generation,
    liveness::{Cause, Observer, Signal, State},
    membership::Tag,
};
use tempfile::TempDir;

use super::*;
use crate::event::{
    Changed, CollectorEvent, Connection, Contact, Event, InstanceEvent, InstanceKind, Mass,
    MassGroup, Room, ServiceEvent, ServiceInstance, Shared,
};

mod disk;
mod lock;

const SIZE: u64 = 64 * 1024;

fn instance(kind: InstanceKind) -> Event {
    let instance = InstanceId::new(-7).unwrap();
    Event::Instance(InstanceEvent { instance, kind })
}

fn recorded(number: u64, event: Event) -> Arc<Recorded> {
    let millis = i64::try_from(number).unwrap() * 1000;
    Arc::new(Recorded {
        number,
        at: Timestamp::from_millis(millis),
        event,
    })
}

fn stray(number: u64) -> Arc<Recorded> {
    recorded(number, instance(InstanceKind::Stray(Contact::default())))
}

fn service(name: &str) -> Event {
    Event::Service(Box::new(ServiceEvent {
        instance: ServiceInstance {
            service: ServiceKey::new("public", "G", name).unwrap(),
            endpoint: Endpoint {
                ip: "10.0.0.1\n\u{2028}\"".into(),
                port: 80,
                cluster: "DEFAULT".into(),
            },
        },
        is_ephemeral: true,
        kind: "registered".into(),
        publisher: "connection 7".into(),
        peer: Some("10.0.0.9:5123".into()),
        client: Some("Nacos\r\nInjected: yes".into()),
        connection_end: Some(Cow::Borrowed("reset")),
        by: None,
        detail: None,
        unrecorded: 3,
    }))
}

/// An event of every kind of the collector.
fn collector_events() -> Vec<CollectorEvent> {
    let group = MassGroup {
        what: "application".to_owned(),
        name: "or\nders".to_owned(),
        silent: 4,
        of: Some(5),
    };
    let mass = Mass {
        silent: 4,
        groups: vec![group],
        suspicions: vec!["a".to_owned()],
        began_at: Timestamp::from_millis(9),
        within_ms: 8_000,
        common: Vec::new(),
        suspects_itself: true,
    };
    let text = || "a\nb".to_owned();
    vec![
        CollectorEvent::Started {
            version: text(),
            member: "a:1".into(),
        },
        CollectorEvent::Stopped { next: 9 },
        CollectorEvent::MemberJoined { member: "b".into() },
        CollectorEvent::MemberLeft {
            member: "b".into(),
            expired: true,
        },
        CollectorEvent::Diverged {
            about: Shared::Roster,
        },
        CollectorEvent::Agreed {
            about: Shared::Inventory,
        },
        CollectorEvent::Inventory { room: Room::Low },
        CollectorEvent::Stalled { late_ms: 7 },
        CollectorEvent::Operator {
            who: text(),
            what: text(),
            target: text(),
        },
        CollectorEvent::MassSilence(mass),
    ]
}

fn closed() -> Connection {
    Connection::Closed {
        at: Timestamp::from_millis(5),
        cause: Cause::Timeout,
    }
}

/// An event of every kind.
fn every_kind() -> Vec<Event> {
    let peer: Option<SocketAddr> = Some("[::1]:4711".parse().unwrap());
    let contact = Contact {
        peer,
        generation: Some(Generation::V8),
        clock_skew: Some(-3),
    };
    let changed = Changed {
        from: State::Up,
        to: State::Silent,
        since: Timestamp::from_millis(1),
        last_seen: Timestamp::from_millis(2),
        signal: Signal::JvmMetrics,
        usual: std::time::Duration::from_secs(30),
        term: std::time::Duration::from_secs(120),
        connection: Connection::Open,
        observer: Observer::Elsewhere(Some(Tag::of("b:1"))),
        is_reported: true,
    };
    let closed = closed();
    let change = |to, connection| {
        InstanceKind::StateChanged(Changed {
            to,
            connection,
            observer: Observer::Here,
            ..changed
        })
    };
    let kinds = [
        InstanceKind::Registered(contact),
        InstanceKind::Adopted(Contact::default()),
        InstanceKind::Recovered(contact),
        InstanceKind::Reconnected(contact),
        InstanceKind::Stray(contact),
        InstanceKind::ConnectionClosed {
            peer,
            cause: Cause::Broken,
        },
        InstanceKind::StateChanged(changed),
        change(State::Down, closed),
        change(State::Left, Connection::Unknown),
        change(State::Up, closed),
        InstanceKind::Moved {
            from: Observer::Here,
            to: Observer::Elsewhere(None),
            peer,
        },
        InstanceKind::Flapping {
            unrecorded: 9,
            since: Timestamp::from_millis(3),
        },
    ];
    let collector = collector_events();
    let collector = collector
        .into_iter()
        .map(|event| Event::Collector(Box::new(event)));
    let mut all: Vec<_> = kinds.into_iter().map(instance).collect();
    all.push(service("s"));
    all.extend(collector);
    all
}

fn open(directory: &TempDir) -> Journal {
    opened(directory.path(), drop).0
}

fn append(journal: &Journal, events: &[Arc<Recorded>]) -> io::Result<()> {
    let (appended, result) = journal.append(events);
    assert_eq!(appended == events.len(), result.is_ok());
    result
}

fn opened(directory: &Path, sink: impl FnMut(Recorded)) -> (Journal, Found) {
    Journal::open(directory, Lane::Agents, (SIZE, 77), sink).unwrap()
}

fn read(directory: &TempDir) -> (Vec<u64>, Found) {
    let mut numbers = Vec::new();
    let (_, found) = opened(directory.path(), |recorded| numbers.push(recorded.number));
    (numbers, found)
}

#[test]
fn an_event_of_every_kind_is_read_as_it_was_written() {
    let directory = TempDir::new().unwrap();
    let events: Vec<_> = (1..)
        .zip(every_kind())
        .map(|(n, event)| recorded(n, event))
        .collect();
    append(&open(&directory), &events).unwrap();
    let mut back = Vec::new();
    let (_, found) = opened(directory.path(), |recorded| back.push(Arc::new(recorded)));
    assert_eq!(back, events);
    assert_eq!(found.damaged, 0);
    assert_eq!(Journal::series(directory.path()).unwrap(), Some(77));
    let text = fs::read_to_string(directory.path().join("agents.log")).unwrap();
    let lines = text.lines().count();
    assert_eq!(lines, events.len() + 1, "a name adds no line");
}

#[test]
fn both_files_stay_within_the_size_and_hold_the_newest_events() {
    let directory = TempDir::new().unwrap();
    let journal = open(&directory);
    for number in 1..=5_000 {
        append(&journal, &[stray(number)]).unwrap();
    }
    assert!(journal.len() <= SIZE + 200, "{}", journal.len());
    let (numbers, _) = read(&directory);
    assert_eq!(numbers.last(), Some(&5_000));
    assert!(numbers.len() > 300, "{}", numbers.len());
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    let first = numbers[0];
    let some = journal.read(first + 9, first + 900, 5).unwrap();
    let some: Vec<_> = some.iter().map(|recorded| recorded.number).collect();
    assert_eq!(some, (first + 10..first + 15).collect::<Vec<_>>());
    let at = |number: u64| Timestamp::from_millis(i64::try_from(number).unwrap() * 1000);
    assert_eq!(
        journal.at_or_after(at(first + 600)).unwrap(),
        Some(first + 600)
    );
    assert_eq!(journal.at_or_after(at(6_000)).unwrap(), None);
}

/// Numbers of the events that the next run finds, without gaps.
fn found_by_the_next_run(directory: &TempDir) -> (u64, u64) {
    let (numbers, found) = read(directory);
    assert_eq!(found.damaged, 0);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    (numbers[0], numbers[numbers.len() - 1])
}

/// Appends until the journal would begin a new file.
fn fill(journal: &Journal, first: u64) -> u64 {
    let mut number = first;
    while journal.files.lock().1.len() < SIZE / 2 {
        append(journal, &[stray(number)]).unwrap();
        number += 1;
    }
    number
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_is_torn() {
    let directory = TempDir::new().unwrap();
    append(&open(&directory), &[stray(1), stray(2)]).unwrap();
    let path = directory.path().join("agents.log");
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for end in last..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let journal = open(&directory);
        append(&journal, &[stray(3)]).unwrap();
        let (numbers, found) = read(&directory);
        assert_eq!(numbers, [1, 3], "cut at {end}");
        assert_eq!(found.damaged, 0);
    }
}

#[test]
fn damage_costs_its_line_and_no_other() {
    let directory = TempDir::new().unwrap();
    let events: Vec<_> = (1..=20).map(stray).collect();
    append(&open(&directory), &events).unwrap();
    let path = directory.path().join("agents.log");
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x15;
        fs::write(&path, &damaged).unwrap();
        let (numbers, _) = read(&directory);
        assert!(numbers.len() >= 18, "{at}: {numbers:?}");
        append(&open(&directory), &[stray(21)]).unwrap();
        assert_eq!(read(&directory).0.last(), Some(&21));
    }
}

#[test]
fn a_file_of_another_format_is_left_out() {
    let directory = TempDir::new().unwrap();
    let mut bytes = vec![b'x'; 300_000];
    fs::write(directory.path().join("agents.old.log"), &bytes).unwrap();
    bytes.extend_from_slice(b"\n\n\0\n");
    fs::write(directory.path().join("agents.log"), &bytes).unwrap();
    let (numbers, found) = read(&directory);
    assert!(numbers.is_empty());
    assert!(found.damaged > 0);
    let journal = open(&directory);
    append(&journal, &[stray(1)]).unwrap();
    assert_eq!(read(&directory).0, [1]);
    assert_eq!(journal.read(0, 9, 9).unwrap().len(), 1);
}
