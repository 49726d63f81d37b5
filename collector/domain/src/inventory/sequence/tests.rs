use proptest::prelude::*;

use super::*;

fn after(assigned: &[i32], mut sequence: Sequence) -> Sequence {
    assigned.iter().for_each(|id| sequence.observe(*id));
    sequence
}

#[test]
fn user_is_one_and_the_rest_lie_around_zero() {
    let sequence = after(&[1], Sequence::ZERO_CENTRED);
    let ids: Vec<i32> = sequence.take(7).collect();
    assert_eq!(ids, [-1, 2, -2, 3, -3, 4, -4]);
}

#[test]
fn with_nothing_reserved_the_first_is_minus_one() {
    let ids: Vec<i32> = Sequence::ZERO_CENTRED.take(6).collect();
    assert_eq!(ids, [-1, 1, 2, -2, 3, -3]);
}

#[test]
fn counting_starts_at_one() {
    let ids: Vec<i32> = Sequence::COUNTING.take(4).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
}

#[test]
fn an_exhausted_sequence_ends_and_does_not_wrap() {
    let full = after(&[-i32::MAX, i32::MAX], Sequence::ZERO_CENTRED);
    assert_eq!(full.take(2).count(), 0);
    assert_eq!(after(&[i32::MAX], Sequence::COUNTING).next(), None);
}

#[test]
fn internal_ids_and_all_others_never_meet() {
    let internal: Vec<i32> = Sequence::INTERNAL.take(2).collect();
    assert_eq!(internal, [i32::MIN + 1, i32::MIN + 2]);
    assert_eq!(
        after(&[LAST_INTERNAL - 1], Sequence::INTERNAL)
            .take(5)
            .count(),
        1
    );
    let edge = after(&[LAST_INTERNAL + 1, -LAST_INTERNAL], Sequence::ZERO_CENTRED);
    assert_eq!(edge.take(5).count(), 0);
}

proptest! {
    /// The rule of ARCHITECTURE.md, invariant 3, case by case.
    #[test]
    fn the_next_id_follows_the_min_max_rule(ids in prop::collection::vec(-40_i32..40, 1..20)) {
        let ids: Vec<i32> = ids.into_iter().filter(|id| *id != 0).collect();
        prop_assume!(!ids.is_empty());
        let (min, max) = (*ids.iter().min().unwrap(), *ids.iter().max().unwrap());
        let expected = match min + max {
            0 => max + 1,
            sum if sum > 0 => min - 1,
            _ => max + 1,
        };
        let expected = match (expected, min + max > 0) {
            (0, true) => -1,
            (0, false) => 1,
            (id, _) => id,
        };
        prop_assert_eq!(after(&ids, Sequence::ZERO_CENTRED).next(), Some(expected));
    }

    /// A sequence that is restored from the assigned ids alone, in any order, continues like the running sequence, which skipped
    /// the adopted ids.
    #[test]
    fn a_restored_sequence_continues_where_the_running_one_stands(
        adopted in prop::collection::hash_set(-30_i32..30, 0..30),
        count in 1_usize..40,
        seed in any::<u64>(),
        zero_centred in any::<bool>(),
    ) {
        let start = if zero_centred { after(&[1], Sequence::ZERO_CENTRED) } else { Sequence::COUNTING };
        let free = |id: &i32| !adopted.contains(id);
        let running: Vec<i32> = start.filter(free).take(count + 20).collect();
        let (mut assigned, later) = (running[..count].to_vec(), &running[count..]);
        assigned.sort_by_key(|id| u64::from(id.unsigned_abs()).wrapping_mul(seed | 1).rotate_left(7));
        let restored: Vec<i32> = after(&assigned, start).filter(free).take(20).collect();
        prop_assert_eq!(restored, later);
    }
}
