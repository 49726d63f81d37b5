//! Conclusions, and the collector that observed their evidence.

use super::*;

const INTERVAL: i64 = 180_000;

fn walk(lessor: &Lessor<InstanceId>, since: i64) -> Vec<i32> {
    let mut changed = Vec::new();
    lessor.changed_since(at(since), all(100), &mut changed);
    changed.into_iter().map(InstanceId::get).collect()
}

fn beat(lessor: &Lessor<InstanceId>, now: i64) -> Renewal<InstanceId> {
    lessor.renew(id(1), Signal::Heartbeat, at(now)).unwrap()
}

#[test]
fn a_restored_lease_gets_the_relay_term_and_is_not_reported() {
    let lessor = lessor();
    lessor.restore(stored(1, -1_000, false), at(0));
    assert!(lessor.view(id(1)).unwrap().relayed);
    assert_eq!(walk(&lessor, -10_000), []);
    assert_eq!(expire_until(&lessor, 0, SILENT + RELAY - 1), []);
    let silent = expire_until(&lessor, SILENT + RELAY, SILENT + RELAY + LATE);
    assert_eq!(silent.len(), 1);
    assert_eq!(
        walk(&lessor, 0),
        [1],
        "the silence is a conclusion of this collector"
    );
}

#[test]
fn no_instance_is_down_while_the_reports_of_others_cannot_be_read() {
    let lessor = lessor();
    let _granted = lessor.relay(stored(1, 0, false), at(0));
    let _granted = lessor.grant(id(2), Signal::Register, at(0));
    lessor.lose_contact();
    let back = 10 * DOWN;
    let silent = expire_until(&lessor, 0, back);
    let silent: Vec<_> = silent.iter().map(|one| (one.key, one.to)).collect();
    assert_eq!(
        silent,
        [(id(2), State::Silent)],
        "this collector observed its signal"
    );
    lessor.regain_contact(at(back));
    lessor.regain_contact(at(back + DOWN));
    assert_eq!(expire_until(&lessor, back, back + RELAY - 1), []);
    let end = back + RELAY + SILENT;
    let down = expire_until(&lessor, back + RELAY, end - 1);
    assert_eq!((down[0].key, down[0].to), (id(2), State::Down));
    assert_eq!(state(&lessor, 1), State::Up, "a full term from then on");
    assert_eq!(expire_until(&lessor, end, end + LATE).len(), 1);
}

#[test]
fn an_outage_from_the_start_expires_no_instance_that_others_observe() {
    let lessor = lessor();
    lessor.restore(stored(1, -1_000, false), at(0));
    lessor.lose_contact();
    assert_eq!(expire_until(&lessor, 0, 5 * DOWN), []);
    lessor.regain_contact(at(5 * DOWN));
    let _kept = lessor.relay(stored(1, 5 * DOWN - 1_000, false), at(5 * DOWN));
    assert_eq!(expire_until(&lessor, 5 * DOWN, 5 * DOWN + SILENT), []);
}

#[test]
fn an_agent_slower_than_the_term_is_silent_at_most_once() {
    let lessor = granted(1);
    let mut silent = 0;
    for now in (0..50 * INTERVAL).step_by(1_000) {
        silent += expire(&lessor, now).len();
        if now % INTERVAL == 0 {
            let _renewed = beat(&lessor, now);
        }
    }
    assert_eq!(
        silent, 1,
        "its interval is unknown before its second heartbeat"
    );
    let slow = lessor.slow().unwrap();
    assert_eq!((slow.count, slow.example), (1, id(1)));
    let usual = lessor.view(id(1)).unwrap().usual;
    assert!(usual > Duration::from_secs(150), "{usual:?}");
    // The instance stops sending, and still becomes silent and then down.
    let ended = expire_until(&lessor, 50 * INTERVAL, 60 * INTERVAL);
    let states: Vec<_> = ended.iter().map(|one| one.to).collect();
    assert_eq!(states, [State::Silent, State::Down]);
    assert_eq!(lessor.slow(), None);
}

#[test]
fn terms_shorter_than_the_interval_are_lengthened_also_from_down() {
    let lessor = Lessor::new(Terms {
        silent_after: Duration::from_secs(10),
        down_after: Duration::from_secs(20),
        ..lessor().terms()
    });
    let _granted = lessor.grant(id(1), Signal::Register, at(0));
    let mut changes = Vec::new();
    for now in (1_000..40 * 60_000).step_by(1_000) {
        changes.extend(expire(&lessor, now));
        if now % 60_000 == 0 {
            let _renewed = beat(&lessor, now);
        }
    }
    let last = changes.last().unwrap();
    assert!(last.at < at(4 * 60_000), "{changes:?}");
}

#[test]
fn one_absence_does_not_change_the_term() {
    let lessor = granted(1);
    let back = 20 * DOWN;
    expire_until(&lessor, 0, back);
    assert!(matches!(beat(&lessor, back), Renewal::Changed(_)));
    for now in (back..back + DOWN).step_by(30_000) {
        let _kept = beat(&lessor, now);
        assert_eq!(expire(&lessor, now), []);
    }
    let last = back + DOWN - 30_000;
    assert_eq!(expire_until(&lessor, last, last + SILENT + LATE).len(), 1);
}

#[test]
fn an_interval_is_reported_with_the_lease_and_applied() {
    let here = granted(1);
    for now in (0..10 * INTERVAL).step_by(60_000) {
        expire(&here, now);
        if now % INTERVAL == 0 {
            let _renewed = beat(&here, now);
        }
    }
    let record = here.record(id(1)).unwrap();
    assert!(record.usual > Duration::from_secs(150), "{record:?}");
    let report = LeaseRecord {
        last_seen: at(0),
        state: State::Up,
        ..record
    };
    let term = millis(here.terms().of(record.usual).silent_after) + RELAY;
    for other in [lessor(), lessor()] {
        let _granted = other.relay(report, at(0));
        assert_eq!(expire_until(&other, 0, term - 1), []);
        assert_eq!(expire_until(&other, term, term + LATE).len(), 1);
    }
    let restarted = lessor();
    restarted.restore(report, at(0));
    assert_eq!(expire_until(&restarted, 0, term - 1), []);
}

#[test]
fn a_usual_interval_that_changes_no_term_is_not_reported() {
    let lessor = granted(1);
    for now in (0..DOWN).step_by(60_000) {
        let _kept = beat(&lessor, now);
    }
    assert_eq!(lessor.record(id(1)).unwrap().usual, Duration::ZERO);
}

#[test]
fn the_end_of_the_last_connection_is_shown_until_the_next_signal() {
    let lessor = granted(1);
    let [first, second] = [1, 2].map(ConnectionId::new);
    let contact = |lessor: &Lessor<InstanceId>| lessor.view(id(1)).unwrap().contact;
    let renew = |connection, now| {
        let renewed = lessor.renew_on(connection, id(1), Signal::Heartbeat, at(now));
        renewed.unwrap().1
    };
    assert_eq!(renew(first, 1_000), Arrival::New);
    assert_eq!(renew(first, 2_000), Arrival::Same);
    assert_eq!(contact(&lessor), Contact::Open(first));
    let end = Closed {
        at: at(3_000),
        cause: Cause::Reset,
    };
    assert!(lessor.close(id(1), first, end));
    assert_eq!(contact(&lessor), Contact::Closed(end));
    assert_eq!(
        state(&lessor, 1),
        State::Up,
        "the end of a connection decides nothing"
    );
    assert_eq!(renew(second, 4_000), Arrival::Back);
    assert!(!lessor.close(id(1), first, end));
    assert_eq!(
        contact(&lessor),
        Contact::Open(second),
        "it was seen on another connection since"
    );
    assert!(!lessor.close(id(1), second, end), "seen once on it");
    assert_eq!(contact(&lessor), Contact::Unknown, "a later signal arrived");
}
