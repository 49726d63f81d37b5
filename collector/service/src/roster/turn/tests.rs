use super::*;

#[test]
fn a_turn_is_as_long_as_the_pause_before_it_within_bounds() {
    let mut turn = Turn::begin();
    assert_eq!(turn.length, SHORTEST);
    for (pause, length) in [
        (Duration::ZERO, SHORTEST),
        (Duration::from_millis(1), Duration::from_millis(1)),
        (Duration::from_millis(30), LONGEST),
        (Duration::ZERO, SHORTEST),
    ] {
        turn.begin_after(pause);
        assert_eq!(turn.length, length);
    }
}
