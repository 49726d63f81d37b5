//! One lease in two machine words, because there is one for each of a million instances.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use super::{LeaseView, Signal, State};
use crate::Moment;

/// Two words, each a moment with a code of one byte below it: when what was last heard, and since when which state.
///
/// `heard` is written by whoever renews, without a lock; `state` only under the lessor's lock. So there is one race: an
/// instance is heard of just as it is found overdue. [`Lease::hear`] stores `heard`, then loads `state`;
/// [`Lease::silence`] stores `state`, then loads `heard`. The four are sequentially consistent, so there is one order
/// of them all, in which one of the two sees what the other stored: either the mark is taken back, or the renewal
/// learns that the instance is not up and brings it back. [`Lease::relay`] is a [`Lease::hear`] that gives way to later ones.
pub(super) struct Lease {
    heard: AtomicI64,
    state: AtomicI64,
}

/// The last signal, as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) at: Moment,
    pub(super) signal: Signal,
    /// Another collector heard it and told of it.
    pub(super) relayed: bool,
}

impl Heard {
    pub(super) const fn here(signal: Signal, at: Moment) -> Self {
        Self {
            at,
            signal,
            relayed: false,
        }
    }

    pub(super) const fn elsewhere(signal: Signal, at: Moment) -> Self {
        Self {
            at,
            signal,
            relayed: true,
        }
    }

    const fn pack(self) -> i64 {
        let flag = if self.relayed { RELAYED } else { 0 };
        pack(self.at, self.signal.code() | flag)
    }

    fn unpack(word: i64) -> Self {
        let (at, code) = unpack(word);
        Self {
            at,
            // Only codes of signals are ever packed.
            signal: Signal::from_code(code & !RELAYED).unwrap_or(Signal::Register),
            relayed: code & RELAYED != 0,
        }
    }
}

/// Set in the code of a signal that was relayed.
const RELAYED: u8 = 0x80;
/// The code of a lease that is down and has an entry in the wheel still, because it was not found down there.
const DOWN_AND_FILED: u8 = 3;

impl Lease {
    pub(super) const fn new(heard: Heard, state: State, since: Moment) -> Self {
        Self {
            heard: AtomicI64::new(heard.pack()),
            state: AtomicI64::new(pack(since, state as u8)),
        }
    }

    /// Notes a signal. Answers whether the instance is up; if not, it has to be brought back under the lock.
    pub(super) fn hear(&self, signal: Signal, now: Moment) -> bool {
        self.heard.store(Heard::here(signal, now).pack(), SeqCst);
        self.state().0 == State::Up
    }

    /// Notes a signal that another collector heard, unless a later one is known.
    pub(super) fn relay(&self, signal: Signal, at: Moment) -> bool {
        let word = Heard::elsewhere(signal, at).pack();
        let later = |known| (unpack(known).0 < at).then_some(word);
        self.heard.fetch_update(SeqCst, SeqCst, later).is_ok()
    }

    /// Marks an instance that is up silent, on the evidence that this was the last signal. Answers whether the mark
    /// stands: it is taken back if another signal came meanwhile.
    pub(super) fn silence(&self, evidence: Heard, now: Moment) -> bool {
        let (state, since) = self.state();
        self.enter(State::Silent, now);
        let stands = self.heard() == evidence;
        if !stands {
            self.enter(state, since);
        }
        stands
    }

    pub(super) fn heard(&self) -> Heard {
        Heard::unpack(self.heard.load(SeqCst))
    }

    pub(super) fn enter(&self, state: State, since: Moment) {
        self.state.store(pack(since, state as u8), SeqCst);
    }

    /// Enters [`State::Down`] away from the wheel, where the lease still has an entry.
    pub(super) fn enter_down_and_filed(&self, since: Moment) {
        self.state.store(pack(since, DOWN_AND_FILED), SeqCst);
    }

    /// Whether it has an entry in the wheel.
    pub(super) fn is_filed(&self) -> bool {
        unpack(self.state.load(SeqCst)).1 != State::Down as u8
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
        let ((state, since), heard) = (self.state(), self.heard());
        LeaseView {
            state,
            since,
            last_seen: heard.at,
            signal: heard.signal,
            relayed: heard.relayed,
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
    use std::{hint, sync::atomic::AtomicUsize, thread};

    use super::*;

    /// The race of the type's documentation, as tight as can be, over and over.
    #[test]
    fn a_signal_that_meets_the_mark_is_noticed_by_one_of_the_two() {
        const ROUNDS: usize = 100_000;
        let at = |round: usize| Moment::from_millis(i64::try_from(round).unwrap());
        let leases: Vec<_> = (0..ROUNDS)
            .map(|_| Lease::new(Heard::here(Signal::Register, at(0)), State::Up, at(0)))
            .collect();
        // Neither begins a round before the other one is there.
        let places = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let meet = |me: usize, round: usize| {
            places[me].store(round, SeqCst);
            for turn in 0_u64.. {
                if places[1 - me].load(SeqCst) >= round {
                    break;
                }
                if turn % 256 == 255 {
                    thread::yield_now();
                }
                hint::spin_loop();
            }
        };
        let registered = Heard::here(Signal::Register, at(0));
        let (up, silent): (Vec<_>, Vec<_>) = thread::scope(|scope| {
            let renewer = scope.spawn(|| {
                let hear = |(round, lease): (usize, &Lease)| {
                    meet(0, round);
                    lease.hear(Signal::Heartbeat, at(round))
                };
                (1..).zip(&leases).map(hear).collect()
            });
            let silence = |(round, lease): (usize, &Lease)| {
                meet(1, round);
                lease.silence(registered, at(round))
            };
            let silent = (1..).zip(&leases).map(silence).collect();
            (renewer.join().unwrap(), silent)
        });
        for (lease, (up, silent)) in leases.iter().zip(up.into_iter().zip(silent)) {
            assert!(!(up && silent), "told up, marked silent");
            assert_eq!(lease.state().0 == State::Silent, silent);
        }
    }

    #[test]
    fn what_is_packed_comes_back_on_both_sides_of_the_start() {
        for millis in [-86_400_000, -1, 0, 1, 86_400_000, i64::MAX >> 8] {
            let lease = Lease::new(
                Heard::elsewhere(Signal::JvmMetrics, Moment::from_millis(millis)),
                State::Silent,
                Moment::from_millis(-millis),
            );
            let expected = LeaseView {
                state: State::Silent,
                since: Moment::from_millis(-millis),
                last_seen: Moment::from_millis(millis),
                signal: Signal::JvmMetrics,
                relayed: true,
            };
            assert_eq!(lease.view(), expected);
        }
    }
}
