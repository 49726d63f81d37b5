//! One lease in four machine words, because there is one for each of a million instances.

use std::{
    sync::atomic::{AtomicI64, Ordering::SeqCst},
    time::Duration,
};

use super::{LeaseView, Signal, State, pace::Pace, via::Via};
use crate::Moment;

/// Two words decide, each a moment above a code of one byte: the last signal, and the state with its flags. The other two are
/// the usual interval and the connection, which nothing is concluded from that must not race.
///
/// `heard` is written by renewals, without a lock; `state` only under the lessor's lock. So there is one race: a signal comes just
/// as the instance is found overdue. [`Lease::hear`] stores `heard`, then loads `state`; [`Lease::silence`] stores `state`, then
/// loads `heard`. The four are sequentially consistent, so there is one order of them all, in which one of the two sees what the
/// other stored: either the mark is taken back, or the renewal learns that the instance is not up and brings it back.
/// [`Lease::relay`] is a [`Lease::hear`] that gives way to later signals, and [`Lease::leave`] a [`Lease::silence`] that brings
/// its own evidence.
pub(super) struct Lease {
    heard: AtomicI64,
    state: AtomicI64,
    pub(super) pace: Pace,
    pub(super) via: Via,
}

/// The last signal, as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) at: Moment,
    pub(super) signal: Signal,
    /// It came to another collector, or to an earlier run of this one, and was read from the store.
    pub(super) relayed: bool,
}

/// The state of a lease, since when, and what else is on record about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) since: Moment,
    flags: u8,
}

/// A fact about a lease besides its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Flag {
    /// It has an entry in the wheel of terms.
    Filed = 1 << 2,
    /// It has an entry in the wheel of those that are to be forgotten.
    Buried = 1 << 3,
    /// It has been down or left for so long that it is not counted any more.
    Forgotten = 1 << 4,
    /// Its usual interval is longer than the configured term.
    Slow = 1 << 5,
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
/// The bits of a state's code below the flags.
const STATE: u8 = 0b11;

impl Standing {
    /// Without any flag.
    pub(super) const fn new(state: State, since: Moment) -> Self {
        Self {
            state,
            since,
            flags: 0,
        }
    }

    pub(super) const fn has(self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    #[must_use]
    pub(super) const fn with(mut self, flag: Flag, is_set: bool) -> Self {
        if is_set {
            self.flags |= flag as u8;
        } else {
            self.flags &= !(flag as u8);
        }
        self
    }

    /// Another state, with the same flags.
    #[must_use]
    pub(super) const fn into(mut self, state: State, since: Moment) -> Self {
        self.state = state;
        self.since = since;
        self
    }

    const fn pack(self) -> i64 {
        pack(self.since, self.state as u8 | self.flags)
    }

    fn unpack(word: i64) -> Self {
        let (since, code) = unpack(word);
        let state = match code & STATE {
            0 => State::Up,
            1 => State::Silent,
            2 => State::Down,
            _ => State::Left,
        };
        Self {
            state,
            since,
            flags: code & !STATE,
        }
    }
}

impl Lease {
    pub(super) fn new(heard: Heard, standing: Standing, pace: Pace) -> Self {
        Self {
            heard: AtomicI64::new(heard.pack()),
            state: AtomicI64::new(standing.pack()),
            pace,
            via: Via::default(),
        }
    }

    /// Notes a signal, and the gap before it if this collector has listened all the while, which it has since
    /// `listening_since`; `term` is the configured one. Answers whether the instance is up; if not, it has to be brought back under
    /// the lock.
    pub(super) fn hear(
        &self,
        signal: Signal,
        now: Moment,
        listening_since: Moment,
        term: Duration,
    ) -> bool {
        let before = self.heard();
        self.heard.store(Heard::here(signal, now).pack(), SeqCst);
        let state = self.standing().state;
        if !before.relayed && before.at >= listening_since && state != State::Left {
            self.pace
                .observe(now.since(before.at), state == State::Down, term);
        }
        state == State::Up
    }

    /// Notes a signal that came to another collector, unless a later one is known.
    pub(super) fn relay(&self, signal: Signal, at: Moment) -> bool {
        let word = Heard::elsewhere(signal, at).pack();
        let later = |known| (unpack(known).0 < at).then_some(word);
        self.heard.fetch_update(SeqCst, SeqCst, later).is_ok()
    }

    /// Marks an instance that is up silent, on the evidence that this was the last signal. Answers whether the mark
    /// stands: it is taken back if another signal came meanwhile.
    pub(super) fn silence(&self, evidence: Heard, now: Moment) -> bool {
        let standing = self.standing();
        self.enter(standing.into(State::Silent, now));
        let stands = self.heard() == evidence;
        if !stands {
            self.enter(standing);
        }
        stands
    }

    /// Marks an instance as left, on the evidence of its goodbye. Answers whether the mark stands: it is taken back if another
    /// signal came after the goodbye.
    pub(super) fn leave(&self, goodbye: Heard, now: Moment) -> bool {
        let standing = self.standing();
        self.heard.store(goodbye.pack(), SeqCst);
        self.enter(standing.into(State::Left, now));
        let stands = self.heard() == goodbye;
        if !stands {
            self.enter(standing);
        }
        stands
    }

    pub(super) fn heard(&self) -> Heard {
        Heard::unpack(self.heard.load(SeqCst))
    }

    pub(super) fn enter(&self, standing: Standing) {
        self.state.store(standing.pack(), SeqCst);
    }

    pub(super) fn standing(&self) -> Standing {
        Standing::unpack(self.state.load(SeqCst))
    }

    pub(super) fn view(&self) -> LeaseView {
        let (standing, heard) = (self.standing(), self.heard());
        let closed = self.via.closed();
        LeaseView {
            state: standing.state,
            since: standing.since,
            last_seen: heard.at,
            signal: heard.signal,
            relayed: heard.relayed,
            usual: self.pace.usual(),
            // A signal that came over no connection, or to another collector, is later evidence.
            closed: closed.filter(|closed| !heard.relayed && closed.at >= heard.at),
            forgotten: standing.has(Flag::Forgotten),
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

    const ROUNDS: usize = 100_000;

    fn at(round: usize) -> Moment {
        Moment::from_millis(i64::try_from(round).unwrap())
    }

    fn registered() -> Heard {
        Heard::here(Signal::Register, at(0))
    }

    /// The race of the type's documentation, as tight as can be, over and over: a heartbeat against `mark`. Gives whether the
    /// renewal found the instance up, whether the mark stands, and the state at the end, of each round.
    fn race(mark: impl Fn(&Lease, Moment) -> bool) -> Vec<(bool, bool, State)> {
        let lease = || {
            Lease::new(
                registered(),
                Standing::new(State::Up, at(0)),
                Pace::default(),
            )
        };
        let leases: Vec<_> = (0..ROUNDS).map(|_| lease()).collect();
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
        let (up, marked): (Vec<_>, Vec<_>) = thread::scope(|scope| {
            let renewer = scope.spawn(|| {
                let hear = |(round, lease): (usize, &Lease)| {
                    meet(0, round);
                    lease.hear(Signal::Heartbeat, at(round), at(0), Duration::MAX)
                };
                (1..).zip(&leases).map(hear).collect()
            });
            let mark = |(round, lease): (usize, &Lease)| {
                meet(1, round);
                mark(lease, at(round))
            };
            let marked = (1..).zip(&leases).map(mark).collect();
            (renewer.join().unwrap(), marked)
        });
        let states = leases.iter().map(|lease| lease.standing().state);
        let ends = up.into_iter().zip(marked).zip(states);
        ends.map(|((up, marked), state)| (up, marked, state))
            .collect()
    }

    #[test]
    fn a_signal_that_meets_the_mark_is_noticed_by_one_of_the_two() {
        for (up, silent, state) in race(|lease, now| lease.silence(registered(), now)) {
            assert!(!(up && silent), "told up, marked silent");
            assert_eq!(state == State::Silent, silent);
        }
    }

    #[test]
    fn a_signal_that_meets_a_goodbye_comes_before_it_or_takes_it_back() {
        let goodbye = |lease: &Lease, now| lease.leave(Heard::here(Signal::Leave, now), now);
        for (_, left, state) in race(goodbye) {
            assert_eq!(state == State::Left, left);
        }
    }

    #[test]
    fn what_is_packed_comes_back_on_both_sides_of_the_start() {
        for millis in [-86_400_000, -1, 0, 1, 86_400_000, i64::MAX >> 8] {
            let standing = Standing::new(State::Left, Moment::from_millis(-millis));
            let lease = Lease::new(
                Heard::elsewhere(Signal::JvmMetrics, Moment::from_millis(millis)),
                standing.with(Flag::Buried, true).with(Flag::Slow, true),
                Pace::default(),
            );
            let back = lease.standing();
            assert!(back.has(Flag::Buried) && back.has(Flag::Slow) && !back.has(Flag::Filed));
            let expected = LeaseView {
                state: State::Left,
                since: Moment::from_millis(-millis),
                last_seen: Moment::from_millis(millis),
                signal: Signal::JvmMetrics,
                relayed: true,
                usual: Duration::ZERO,
                closed: None,
                forgotten: false,
            };
            assert_eq!(lease.view(), expected);
        }
    }
}
