//! Leases restored from the store.

use super::*;

#[test]
fn a_restored_lease_has_a_full_term_and_shows_its_stored_last_signal() {
    const SPREAD: i64 = 10_000;
    let lessor = alone(SPREAD);
    lessor.restore(stored(1, -9 * DOWN, false), at(50));
    lessor.resume(at(70));
    let view = lessor.view(id(1)).unwrap();
    assert_eq!(
        (view.state, view.last_seen, view.since),
        (State::Up, at(-9 * DOWN), at(50))
    );
    assert_eq!(expire(&lessor, 70 + SILENT - 1), []);
    let silent = expire_until(&lessor, 70 + SILENT - 1, 70 + SILENT + SPREAD + LATE);
    assert_eq!(
        (silent[0].to, silent[0].last_seen),
        (State::Silent, at(-9 * DOWN))
    );
    let silent_at = silent[0].at.millis();
    assert_eq!(expire(&lessor, silent_at + DOWN - SILENT - 1), []);
    assert_eq!(expire(&lessor, silent_at + DOWN - SILENT + LATE).len(), 1);
}

#[test]
fn a_lease_restored_as_down_stays_down_until_it_is_renewed() {
    let lessor = alone(0);
    lessor.restore(stored(1, -2 * DOWN, true), at(0));
    assert_eq!(lessor.view(id(1)).unwrap().since, at(-DOWN));
    assert_eq!(expire(&lessor, 10 * DOWN), []);
    assert!(matches!(
        lessor.renew(id(1), Signal::Heartbeat, at(10 * DOWN)),
        Some(Renewal::Changed(_))
    ));
    assert_eq!(expire(&lessor, 10 * DOWN + SILENT + LATE).len(), 1);
}

#[test]
fn a_stored_record_does_not_forget_an_instance_with_a_lease() {
    let lessor = alone(0);
    let down = stored(1, -2 * DOWN, true);
    lessor.restore(down, at(0));
    lessor.restore(
        LeaseRecord {
            forgotten: true,
            ..down
        },
        at(0),
    );
    assert!(!lessor.view(id(1)).unwrap().forgotten);
}
