use std::time::Duration;

use super::limit_for;

const TICK: Duration = Duration::from_secs(1);
const TERM: Duration = Duration::from_secs(120);

#[test]
fn a_fleet_expires_within_one_term_however_large_it_is() {
    assert_eq!(limit_for(10_000, 10_000_000, TICK, TERM), 83_334);
    // For a million the configured limit suffices.
    assert_eq!(limit_for(10_000, 1_000_000, TICK, TERM), 10_000);
    // A term that is shorter than a tick.
    assert_eq!(limit_for(10, 1_000, TICK, TICK / 2), 1_000);
    assert_eq!(limit_for(10, 1_000, Duration::ZERO, TERM), 10);
}
