//! The last signal of an instance.

use super::word::{pack, unpack};
use crate::{Moment, liveness::Signal};

/// The last signal of an instance, as evidence for the state of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::liveness) struct Evidence {
    pub(in crate::liveness) at: Moment,
    pub(in crate::liveness) signal: Signal,
    /// Whether another collector or an earlier run of this one observed it, and this run read it from the store.
    pub(in crate::liveness) relayed: bool,
}

/// Set in the code of a signal that was relayed.
const RELAYED: u8 = 0x80;

impl Evidence {
    #[inline]
    pub(in crate::liveness) const fn observed(signal: Signal, at: Moment) -> Self {
        Self {
            at,
            signal,
            relayed: false,
        }
    }

    pub(in crate::liveness) const fn relayed(signal: Signal, at: Moment) -> Self {
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
            // Only valid codes of signals are packed.
            signal: Signal::from_code(code & !RELAYED).unwrap_or(Signal::Register),
            relayed: code & RELAYED != 0,
        }
    }
}
