//! One lease in two machine words, because there is one for each of a million instances.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use super::{LeaseView, Signal, State};
use crate::Moment;

/// Two words, each a moment with a code of one byte below it: when what was last heard, and since when which state.
///
/// `heard` is written by whoever renews; `state` only under the lessor's lock. Every access is sequentially
/// consistent: see [`Lessor`](super::Lessor) for what relies on it.
pub(super) struct Lease {
    heard: AtomicI64,
    state: AtomicI64,
}

impl Lease {
    pub(super) const fn new(
        last_seen: Moment,
        signal: Signal,
        state: State,
        since: Moment,
    ) -> Self {
        Self {
            heard: AtomicI64::new(pack(last_seen, signal.code())),
            state: AtomicI64::new(pack(since, state as u8)),
        }
    }

    pub(super) fn hear(&self, signal: Signal, now: Moment) {
        self.heard.store(pack(now, signal.code()), SeqCst);
    }

    pub(super) fn heard(&self) -> (Moment, Signal) {
        let (moment, code) = unpack(self.heard.load(SeqCst));
        // Only codes of signals are ever packed.
        (moment, Signal::from_code(code).unwrap_or(Signal::Register))
    }

    pub(super) fn enter(&self, state: State, since: Moment) {
        self.state.store(pack(since, state as u8), SeqCst);
    }

    pub(super) fn state(&self) -> (State, Moment) {
        let (since, code) = unpack(self.state.load(SeqCst));
        let state = match code {
            0 => State::Up,
            1 => State::Silent,
            _ => State::Down,
        };
        (state, since)
    }

    pub(super) fn view(&self) -> LeaseView {
        let ((state, since), (last_seen, signal)) = (self.state(), self.heard());
        LeaseView {
            state,
            since,
            last_seen,
            signal,
        }
    }
}

/// Milliseconds fill seven bytes, which is over a million years to either side.
const fn pack(moment: Moment, code: u8) -> i64 {
    moment.millis().saturating_mul(256) | code as i64
}

const fn unpack(word: i64) -> (Moment, u8) {
    (Moment::from_millis(word >> 8), word.to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_on_both_sides_of_the_start() {
        for millis in [-86_400_000, -1, 0, 1, 86_400_000, i64::MAX >> 8] {
            let lease = Lease::new(
                Moment::from_millis(millis),
                Signal::JvmMetrics,
                State::Silent,
                Moment::from_millis(-millis),
            );
            let expected = LeaseView {
                state: State::Silent,
                since: Moment::from_millis(-millis),
                last_seen: Moment::from_millis(millis),
                signal: Signal::JvmMetrics,
            };
            assert_eq!(lease.view(), expected);
        }
    }
}
