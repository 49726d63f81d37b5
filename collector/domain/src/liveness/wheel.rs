//! A hashed timing wheel for very many entries.

use std::time::Duration;

use crate::Moment;

/// Entries with deadlines, filed in a ring of slots by the tick in which they come due.
///
/// Filing takes constant time. An entry comes due up to one tick late and never early. An entry whose deadline is more than one
/// turn of the ring ahead is skipped once per turn. After a pause of any length, a call costs at most one step per slot plus its
/// budget.
pub(super) struct Wheel<T> {
    /// Milliseconds.
    tick: i64,
    slots: Box<[Vec<Filed<T>>]>,
    /// The tick that is being processed; all earlier ones are done.
    at: i64,
    /// The number of entries in the slot of this tick that were checked and left.
    passed: usize,
    len: usize,
}

/// 8 bytes for an instance: the tick has 32 bits, enough for 13 years of 100 ms. A later deadline is filed at the end of that
/// range.
struct Filed<T> {
    due: u32,
    item: T,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel. The tick is at least 1 ms, and there is at least one slot.
    pub(super) fn new(tick: Duration, slots: usize) -> Self {
        Self {
            tick: i64::try_from(tick.as_millis()).unwrap_or(i64::MAX).max(1),
            slots: (0..slots.max(1)).map(|_| Vec::new()).collect(),
            at: 0,
            passed: 0,
            len: 0,
        }
    }

    /// The number of filed entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Files an item. An item whose deadline has passed comes due with the next tick.
    pub(super) fn insert(&mut self, item: T, deadline: Moment) {
        let tick = deadline.millis().saturating_add(self.tick - 1) / self.tick;
        let due = u32::try_from(tick.max(self.at)).unwrap_or(u32::MAX);
        let slot = self.slot(i64::from(due));
        self.slots[slot].push(Filed { due, item });
        self.len += 1;
    }

    /// Removes and returns one item that is due. Returns `None` if no item is due, or if the budget, one for every checked entry,
    /// is used up; [`Wheel::has_backlog`] distinguishes the two.
    pub(super) fn pop_due(&mut self, now: Moment, budget: &mut usize) -> Option<T> {
        let now = self.tick_of(now);
        self.skip_full_turns(now);
        while self.at <= now {
            let slot = self.slot(self.at);
            let slot = &mut self.slots[slot];
            while let Some(filed) = slot.get(self.passed) {
                *budget = budget.checked_sub(1)?;
                if i64::from(filed.due) <= now {
                    self.len -= 1;
                    return Some(slot.swap_remove(self.passed).item);
                }
                self.passed += 1;
            }
            slot.shrink_to(slot.len() * 2);
            self.passed = 0;
            self.at += 1;
        }
        None
    }

    /// Whether [`Wheel::pop_due`] still has to check entries that may be due.
    pub(super) fn has_backlog(&self, now: Moment) -> bool {
        self.at <= self.tick_of(now)
    }

    /// After a gap of more than one turn, one turn is enough: it visits every slot.
    fn skip_full_turns(&mut self, now: i64) {
        let turn = i64::try_from(self.slots.len()).unwrap_or(i64::MAX);
        if now - self.at >= turn {
            self.at = now - turn + 1;
            self.passed = 0;
        }
    }

    const fn tick_of(&self, moment: Moment) -> i64 {
        moment.millis().div_euclid(self.tick)
    }

    fn slot(&self, tick: i64) -> usize {
        usize::try_from(tick).unwrap_or(0) % self.slots.len()
    }
}

#[cfg(test)]
mod tests;
