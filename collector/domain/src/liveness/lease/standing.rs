//! The state of a lease, when it entered the state, and the lessor's flags.

use super::word::{CODE_BITS, pack, unpack};
use crate::{
    Moment,
    liveness::{State, terms::TermsIndex},
};

/// The state of a lease with its flags and its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::liveness) struct Standing {
    pub(in crate::liveness) state: State,
    pub(in crate::liveness) since: Moment,
    pub(in crate::liveness) terms: TermsIndex,
    flags: u16,
}

/// A property of a lease besides its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(in crate::liveness) enum Flag {
    /// It has an entry in the wheel of terms.
    Filed = 1 << 2,
    /// It has an entry in the wheel of ended leases, which are to be forgotten.
    FiledAsEnded = 1 << 3,
    /// It has been down or left for so long that it is no longer counted.
    Forgotten = 1 << 4,
    /// Its usual interval is longer than its own term.
    Slow = 1 << 5,
    /// No instance has the lease: it was removed, or not yet granted. A wheel may still have an entry with its key.
    Removed = 1 << 6,
}

/// The bits of a state's code below the flags.
const STATE: u16 = 0b11;
/// The bits of the state and the flags, below the index of the terms.
const FLAG_BITS: u32 = 7;

const _: () = assert!(TermsIndex::BITS + FLAG_BITS == CODE_BITS);

impl Standing {
    /// Without any flag.
    pub(in crate::liveness) const fn new(state: State, since: Moment, terms: TermsIndex) -> Self {
        Self {
            state,
            since,
            terms,
            flags: 0,
        }
    }

    #[inline]
    pub(in crate::liveness) const fn has(self, flag: Flag) -> bool {
        self.flags & flag as u16 != 0
    }

    /// Whether a wheel has an entry for the lease.
    #[cfg(test)]
    pub(in crate::liveness) const fn is_in_a_wheel(self) -> bool {
        self.has(Flag::Filed) || self.has(Flag::FiledAsEnded)
    }

    #[must_use]
    #[inline]
    pub(in crate::liveness) const fn with(mut self, flag: Flag, is_set: bool) -> Self {
        if is_set {
            self.flags |= flag as u16;
        } else {
            self.flags &= !(flag as u16);
        }
        self
    }

    /// The same flags and terms with another state.
    #[must_use]
    pub(in crate::liveness) const fn into(mut self, state: State, since: Moment) -> Self {
        self.state = state;
        self.since = since;
        self
    }

    /// The same state and flags with other terms.
    #[must_use]
    pub(in crate::liveness) const fn on(mut self, terms: TermsIndex) -> Self {
        self.terms = terms;
        self
    }

    #[inline]
    pub(super) fn pack(self) -> i64 {
        let terms = self.terms.number() << FLAG_BITS;
        pack(self.since, terms | self.flags | self.state as u16)
    }

    #[inline]
    pub(super) fn unpack(word: i64) -> Self {
        let (since, code) = unpack(word);
        let state = match code & STATE {
            0 => State::Up,
            1 => State::Silent,
            2 => State::Down,
            _ => State::Left,
        };
        let flags = code & ((1 << FLAG_BITS) - 1) & !STATE;
        Self {
            state,
            since,
            terms: TermsIndex::from_number(code >> FLAG_BITS),
            flags,
        }
    }
}

#[cfg(test)]
mod tests;
