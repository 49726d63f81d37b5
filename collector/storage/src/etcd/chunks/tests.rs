use rollcall_domain::{
    InstanceId, Timestamp,
    liveness::{Signal, State},
};
use rollcall_protobuf::{self as protobuf, Fields, Value};

use super::{merge::rows, *};
use crate::{codec::row, etcd::value};

const NOW: i64 = 1_700_000_000_000;

fn seen(millis: i64, state: State) -> LastSeen {
    LastSeen {
        instance: InstanceId::new(7).unwrap(),
        last_seen: Timestamp::from_millis(NOW + millis),
        signal: Signal::Heartbeat,
        state,
        usual: std::time::Duration::ZERO,
        forgotten: false,
        observer: None,
    }
}

/// The entry of a chunk after these reports were merged in order.
fn after(reported: &[LastSeen]) -> LastSeen {
    let value = reported.iter().fold(Bytes::new(), |value, seen| {
        let now = Timestamp::from_millis(NOW);
        merged("c", &value, &[*seen], now, false).unwrap_or(value)
    });
    contents("c", &value).unwrap()[&reported[0].instance]
}

#[test]
fn the_later_signal_wins_and_so_does_a_state_derived_from_it() {
    let (early, late) = (seen(-2_000, State::Up), seen(-1_000, State::Up));
    assert_eq!(after(&[late, early]), late);
    assert_eq!(after(&[late, seen(-2_000, State::Down)]), late);
    let down = seen(-1_000, State::Down);
    assert_eq!(after(&[late, down]), down);
    assert_eq!(after(&[down, late]), down);
}

#[test]
fn a_signal_from_the_future_gives_way_to_the_next_report() {
    let fast = seen(3_600_000, State::Up);
    for next in [seen(-1_000, State::Up), seen(-1_000, State::Silent)] {
        assert_eq!(after(&[fast, next]), next);
    }
    let of_this_moment = seen(0, State::Up);
    assert_eq!(
        after(&[of_this_moment, seen(-1, State::Up)]),
        of_this_moment
    );
}

#[test]
fn a_forgotten_instance_is_listed_again_by_its_next_signal_only() {
    let down = seen(-5_000, State::Down);
    let forgotten = LastSeen {
        forgotten: true,
        ..down
    };
    // Another member reports the same signal, dated by its own clock, before it reads that the instance was forgotten.
    let again = seen(-4_500, State::Down);
    let adjusted = LastSeen {
        forgotten: true,
        ..again
    };
    assert_eq!(after(&[down, forgotten]), forgotten);
    assert_eq!(after(&[down, forgotten, down]), forgotten);
    assert_eq!(after(&[forgotten, again]), adjusted);
    // The member that forgot it dates its last signal earlier.
    assert_eq!(after(&[again, forgotten]), adjusted);
    for next in [seen(-1_000, State::Up), seen(-1_000, State::Down)] {
        assert_eq!(after(&[forgotten, next]), next);
    }
    let up = seen(-1_000, State::Up);
    assert_eq!(after(&[up, forgotten]), up);
}

#[test]
fn fields_of_a_later_release_survive_reports_about_other_instances() {
    let later = seen(-1_000, State::Up);
    let mut row = Vec::new();
    row::put(&mut row, 1, &later);
    // The row is one field of the chunk; its own message is in field 2.
    let Some(Ok((1, Value::Bytes(id_and_fields)))) = Fields::of(&row).next() else {
        panic!("one row: {row:?}")
    };
    let mut with_more = id_and_fields.to_vec();
    protobuf::put_text(&mut with_more, 9, "of a later release");
    let mut chunk = Vec::new();
    protobuf::put_bytes(&mut chunk, 1, &with_more);
    let value = value::seal("c", &chunk);

    let neighbour = LastSeen {
        instance: InstanceId::new(8).unwrap(),
        ..later
    };
    let now = Timestamp::from_millis(NOW);
    let written = merged("c", &value, &[neighbour], now, false).unwrap();
    let kept = rows("c", &written).unwrap();
    assert_eq!(kept[&later.instance].stored, with_more);
    assert_eq!(kept[&neighbour.instance].seen, neighbour);
    assert!(merged("c", &written, &[later, neighbour], now, false).is_none());
}
