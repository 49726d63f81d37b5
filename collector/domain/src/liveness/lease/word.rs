//! A moment and a code in one word.

use crate::Moment;

/// The number of bits of a code.
pub(super) const CODE_BITS: u32 = 16;
/// The largest number of milliseconds that fits above the code: 4,459 years to either side of the start.
const LATEST: i64 = i64::MAX >> CODE_BITS;

/// A moment beyond the range is stored as the limit of the range.
#[inline]
pub(super) fn pack(moment: Moment, code: u16) -> i64 {
    moment.millis().clamp(-LATEST, LATEST) << CODE_BITS | i64::from(code)
}

#[inline]
pub(super) const fn unpack(word: i64) -> (Moment, u16) {
    let [low, high, ..] = word.to_le_bytes();
    let millis = word >> CODE_BITS;
    (Moment::from_millis(millis), u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_and_a_code_survive_packing_on_both_sides_of_the_start() {
        for millis in [-LATEST, -86_400_000, -1, 0, 1, 86_400_000, LATEST] {
            for code in [0, 1, u16::MAX] {
                let moment = Moment::from_millis(millis);
                assert_eq!(unpack(pack(moment, code)), (moment, code));
            }
        }
    }

    #[test]
    fn a_moment_beyond_the_range_is_clamped_and_keeps_its_code() {
        for (millis, end) in [(i64::MAX, LATEST), (i64::MIN, -LATEST)] {
            let word = pack(Moment::from_millis(millis), 7);
            assert_eq!(unpack(word), (Moment::from_millis(end), 7));
        }
    }
}
