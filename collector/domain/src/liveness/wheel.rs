//! A hashed timing wheel: what is due when, for very many entries.

use std::time::Duration;

use crate::Moment;

/// Entries with deadlines, filed in a ring of slots by the tick in which they fall due.
///
/// Filing takes constant time. An entry comes due up to one tick late and never early. One whose deadline lies more
/// than a turn of the ring ahead is passed over once per turn. However long nobody looked, a look costs at most one
/// step per slot, plus what its budget allows.
pub(super) struct Wheel<T> {
    /// Milliseconds.
    tick: i64,
    slots: Box<[Vec<Filed<T>>]>,
    /// The tick that is being looked at; all before it are done with.
    at: i64,
    /// How many entries of its slot have been looked at and left.
    passed: usize,
    len: usize,
}

/// 8 bytes for an instance: the tick is counted in 32 bits, enough for 13 years of 100 ms. What lies beyond that is
/// filed at the end of it.
struct Filed<T> {
    due: u32,
    item: T,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel. Both are at least 1, the tick in milliseconds.
    pub(super) fn new(tick: Duration, slots: usize) -> Self {
        Self {
            tick: i64::try_from(tick.as_millis()).unwrap_or(i64::MAX).max(1),
            slots: (0..slots.max(1)).map(|_| Vec::new()).collect(),
            at: 0,
            passed: 0,
            len: 0,
        }
    }

    /// How many entries are filed.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Files an item. A deadline that has passed falls due at once.
    pub(super) fn insert(&mut self, item: T, deadline: Moment) {
        let tick = deadline.millis().saturating_add(self.tick - 1) / self.tick;
        let due = u32::try_from(tick.max(self.at)).unwrap_or(u32::MAX);
        let slot = self.slot(i64::from(due));
        self.slots[slot].push(Filed { due, item });
        self.len += 1;
    }

    /// Takes out one item that is due. `None` when there is none, or when the budget, one for every entry looked at,
    /// is used up: [`Wheel::is_behind`] tells.
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

    /// Whether [`Wheel::pop_due`] has still to look at something that may be due.
    pub(super) fn is_behind(&self, now: Moment) -> bool {
        self.at <= self.tick_of(now)
    }

    /// After a gap of more than a turn, one turn is enough: it passes every slot.
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
