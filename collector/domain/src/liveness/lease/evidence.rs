//! The last signal of an instance.

use super::word::{pack, unpack};
use crate::{Moment, liveness::Signal};

/// The last signal, as evidence for the state of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::liveness) struct Heard {
    pub(in crate::liveness) at: Moment,
    pub(in crate::liveness) signal: Signal,
    /// Another collector observed it, or an earlier run of this one, and this run read it from the store.
    pub(in crate::liveness) relayed: bool,
}

/// Set in the code of a signal that was relayed.
const RELAYED: u8 = 0x80;

impl Heard {
    #[inline]
    pub(in crate::liveness) const fn here(signal: Signal, at: Moment) -> Self {
        Self {
            at,
            signal,
            relayed: false,
        }
    }

    pub(in crate::liveness) const fn elsewhere(signal: Signal, at: Moment) -> Self {
        Self {
            at,
            signal,
            relayed: true,
        }
    }

    #[inline]
    pub(super) fn pack(self) -> i64 {
        let flag = if self.relayed { RELAYED } else { 0 };
        pack(self.at, u16::from(self.signal.code() | flag))
    }

    #[inline]
    pub(super) fn unpack(word: i64) -> Self {
        let (at, code) = unpack(word);
        let [code, _] = code.to_le_bytes();
        Self {
            at,
            // Only codes of signals are ever packed.
            signal: Signal::from_code(code & !RELAYED).unwrap_or(Signal::Register),
            relayed: code & RELAYED != 0,
        }
    }
}
