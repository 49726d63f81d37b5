//! The own terms of leases; each pair is stored once.
//!
//! A lease has room for an index of nine bits, so up to [`EXACT`] different pairs are in use at a time. Further pairs are rounded
//! up to powers of two; there are so few of those that a slot is always free. Rounding only lengthens a term.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::LeaseTerms;

/// The terms of a lease: those of its lessor, or a slot of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::liveness) struct TermsIndex(u16);

/// The terms by index. Readers take no lock; only [`Users`] writes.
///
/// A slot is reused for other terms once no lease uses it. A racing reader sees one pair or the other, never a mixture.
pub(in crate::liveness) struct Table(Box<[AtomicU64]>);

/// The number of leases that use each slot.
pub(in crate::liveness) struct Users(Box<[u32]>);

const SLOTS: usize = 1 << TermsIndex::BITS;
/// Rounded terms are powers of two in this range of exponents, in milliseconds, or the longest possible term.
const ROUNDED: std::ops::Range<u32> = 12..32;
/// The number of possible rounded pairs: each length with itself and every longer one.
const ROUNDED_PAIRS: usize = 21 * 22 / 2;
/// The number of pairs stored exactly. Slot 0 stands for the terms of the lessor.
const EXACT: usize = SLOTS - 1 - ROUNDED_PAIRS;

impl TermsIndex {
    pub(in crate::liveness) const BITS: u32 = 9;
    /// The terms of the lessor.
    pub(in crate::liveness) const DEFAULT: Self = Self(0);

    pub(in crate::liveness) const fn number(self) -> u16 {
        self.0
    }

    /// The index with this number, which has at most [`TermsIndex::BITS`] bits.
    #[inline]
    pub(in crate::liveness) const fn from_number(number: u16) -> Self {
        Self(number)
    }

    fn slot(self) -> usize {
        self.0.into()
    }
}

impl Table {
    pub(in crate::liveness) fn new() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }

    /// The terms at an index; `None` for those of the lessor.
    #[inline]
    pub(in crate::liveness) fn get(&self, index: TermsIndex) -> Option<LeaseTerms> {
        if index == TermsIndex::DEFAULT {
            return None;
        }
        let word = self.0.get(index.slot())?;
        Some(unpack(word.load(Relaxed)))
    }
}

impl Users {
    pub(in crate::liveness) fn new() -> Self {
        Self(vec![0; SLOTS].into_boxed_slice())
    }

    /// Returns the index of these terms for one more lease. Rounds them up if too many other pairs are in use.
    pub(in crate::liveness) fn acquire(&mut self, table: &Table, terms: LeaseTerms) -> TermsIndex {
        let wanted = pack(terms);
        let rounded = pack_rounded(terms);
        let exact = self.find(table, wanted, 1..=EXACT);
        let slot = exact.or_else(|| self.find(table, rounded, EXACT + 1..=SLOTS - 1));
        let slot = slot.unwrap_or(0);
        if let Some(users) = self.0.get_mut(slot) {
            *users = users.saturating_add(1);
        }
        TermsIndex(u16::try_from(slot).unwrap_or(0))
    }

    /// Records that one lease no longer uses these terms.
    pub(in crate::liveness) fn release(&mut self, index: TermsIndex) {
        if let Some(users) = self.0.get_mut(index.slot()) {
            *users = users.saturating_sub(1);
        }
    }

    /// The slot among `slots` with these terms, or a free one, which gets them.
    fn find(
        &self,
        table: &Table,
        wanted: u64,
        slots: std::ops::RangeInclusive<usize>,
    ) -> Option<usize> {
        let in_use = |slot: &usize| self.0.get(*slot).is_some_and(|users| *users > 0);
        let holds = |slot: &usize| {
            let word = table.0.get(*slot);
            word.is_some_and(|word| word.load(Relaxed) == wanted)
        };
        let known = slots.clone().find(|slot| in_use(slot) && holds(slot));
        known.or_else(|| {
            let free = slots.clone().find(|slot| !in_use(slot))?;
            table.0.get(free)?.store(wanted, Relaxed);
            Some(free)
        })
    }
}

fn pack(terms: LeaseTerms) -> u64 {
    let silent = millis(terms.silent_after);
    let down = millis(terms.down_after).max(silent);
    u64::from(down) << 32 | u64::from(silent)
}

fn pack_rounded(terms: LeaseTerms) -> u64 {
    let silent = rounded_up(millis(terms.silent_after));
    let down = rounded_up(millis(terms.down_after)).max(silent);
    u64::from(down) << 32 | u64::from(silent)
}

#[inline]
fn unpack(word: u64) -> LeaseTerms {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    let length = |bytes| Duration::from_millis(u32::from_le_bytes(bytes).into());
    LeaseTerms {
        silent_after: length([a, b, c, d]),
        down_after: length([e, f, g, h]),
    }
}

/// At least 1 ms, and at most 49 days.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis())
        .unwrap_or(u32::MAX)
        .max(1)
}

fn rounded_up(millis: u32) -> u32 {
    let mut lengths = ROUNDED.map(|bits| 1 << bits);
    lengths.find(|length| *length >= millis).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(silent: u64, down: u64) -> LeaseTerms {
        LeaseTerms {
            silent_after: Duration::from_millis(silent),
            down_after: Duration::from_millis(down),
        }
    }

    #[test]
    fn equal_terms_share_a_slot_until_the_last_lease_releases_it() {
        let (table, mut users) = (Table::new(), Users::new());
        let first = users.acquire(&table, terms(3_000, 5_000));
        assert_eq!(users.acquire(&table, terms(3_000, 5_000)), first);
        assert_eq!(table.get(first), Some(terms(3_000, 5_000)));
        users.release(first);
        let other = users.acquire(&table, terms(4_000, 5_000));
        assert_ne!(other, first, "one lease still uses it");
        users.release(first);
        assert_eq!(users.acquire(&table, terms(9_000, 9_000)), first);
        assert_eq!(table.get(first), Some(terms(9_000, 9_000)));
        assert_eq!(table.get(TermsIndex::DEFAULT), None);
    }

    #[test]
    fn invalid_terms_become_the_nearest_valid_ones() {
        let (table, mut users) = (Table::new(), Users::new());
        let short = users.acquire(&table, terms(0, 0));
        assert_eq!(table.get(short), Some(terms(1, 1)));
        let reversed = users.acquire(&table, terms(5_000, 3_000));
        assert_eq!(table.get(reversed), Some(terms(5_000, 5_000)));
        let endless = LeaseTerms {
            silent_after: Duration::MAX,
            down_after: Duration::MAX,
        };
        let endless = users.acquire(&table, endless);
        let longest = u64::from(u32::MAX);
        assert_eq!(table.get(endless), Some(terms(longest, longest)));
    }

    #[test]
    fn a_full_table_rounds_up_and_never_runs_out() {
        let (table, mut users) = (Table::new(), Users::new());
        for number in 0..u64::try_from(EXACT).unwrap() {
            let index = users.acquire(&table, terms(1_000, 10_000 + number));
            assert_eq!(table.get(index), Some(terms(1_000, 10_000 + number)));
        }
        // Every pair of lengths that rounding distinguishes, and more.
        for silent in 0..40 {
            for down in silent..40 {
                let wanted = terms((1 << silent) - 1, (1 << down) - 1);
                let index = users.acquire(&table, wanted);
                let given = table.get(index).unwrap();
                let longest = Duration::from_millis(u32::MAX.into());
                assert!(given.silent_after >= wanted.silent_after.min(longest));
                assert!(given.down_after >= wanted.down_after.min(longest));
            }
        }
    }
}
