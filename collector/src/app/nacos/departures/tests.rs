use super::*;

#[test]
fn a_departure_that_was_not_announced_is_a_loss() {
    let kind = |what| departure(what).map(|(kind, _)| kind);
    for (what, expected) in [
        (EventKind::Deregistered, Some(Kind::Left)),
        (EventKind::Expired, Some(Kind::Lost)),
        (
            EventKind::ConnectionEnded(ConnectionEnd::Closed),
            Some(Kind::Left),
        ),
        (
            EventKind::ConnectionEnded(ConnectionEnd::Dropped),
            Some(Kind::Lost),
        ),
        (
            EventKind::ConnectionEnded(ConnectionEnd::CollectorStops),
            None,
        ),
        (EventKind::Registered, None),
    ] {
        assert_eq!(kind(what), expected, "{what:?}");
    }
}
