//! The orders in which a dictionary assigns its ids (ARCHITECTURE.md, invariant 3).

use crate::id::LAST_INTERNAL;

/// The position of a dictionary in its order of ids.
///
/// As an iterator it yields the next id and advances past it. The caller skips an adopted id by taking the next id, so an adopted
/// id never moves the sequence by itself. The iterator ends when `i32` is exhausted, or at the boundary between the internal ids
/// and all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    /// Numbers of both signs, alternating around 0. `None` before the first id.
    ZeroCentred(Option<Bounds>),
    /// 1, 2, 3 and so on. Holds the last id, 0 before the first.
    Counting(i32),
}

/// The least and the greatest id so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    min: i32,
    max: i32,
}

impl Sequence {
    /// The zero-centred order, at its start.
    pub(super) const ZERO_CENTRED: Self = Self::ZeroCentred(None);

    /// The counting order, at its start.
    pub(super) const COUNTING: Self = Self::Counting(0);

    /// The internal ids, at their start. `i32::MIN` is left out because it has no absolute value.
    pub(super) const INTERNAL: Self = Self::Counting(i32::MIN);

    const fn is_internal(&self) -> bool {
        matches!(self, Self::Counting(last) if *last <= LAST_INTERNAL)
    }

    /// Records an id that is already assigned. The order of calls does not matter.
    pub(super) fn observe(&mut self, id: i32) {
        match self {
            Self::ZeroCentred(bounds) => {
                let Bounds { min, max } = bounds.unwrap_or(Bounds { min: id, max: id });
                *bounds = Some(Bounds {
                    min: min.min(id),
                    max: max.max(id),
                });
            }
            Self::Counting(last) => *last = id.max(*last),
        }
    }
}

impl Iterator for Sequence {
    type Item = i32;

    fn next(&mut self) -> Option<i32> {
        let id = match self {
            Self::ZeroCentred(None) => -1,
            Self::ZeroCentred(Some(bounds)) => bounds.next()?,
            Self::Counting(last) => last.checked_add(1)?,
        };
        let is_internal = |id| id <= LAST_INTERNAL;
        if is_internal(id) != self.is_internal() {
            return None;
        }
        self.observe(id);
        Some(id)
    }
}

impl Bounds {
    /// The shorter side grows by one, the upper side first; 0 is skipped.
    fn next(self) -> Option<i32> {
        let upper = i64::from(self.min) + i64::from(self.max) <= 0;
        let step = if upper { 1 } else { -1 };
        let edge = if upper { self.max } else { self.min };
        match edge.checked_add(step)? {
            0 => Some(step),
            id => Some(id),
        }
    }
}

#[cfg(test)]
mod tests;
