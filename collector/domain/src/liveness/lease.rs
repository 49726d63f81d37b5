//! One lease in four machine words, because there is one for each of millions of instances.

mod evidence;
mod standing;
mod word;

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

pub(super) use evidence::Heard;
pub(super) use standing::{Flag, Standing};

use super::{LeaseTerms, LeaseView, Signal, State, pace::Pace, terms::TermsIndex, via::Via};
use crate::Moment;

/// Two words decide, each a moment above a code: the last signal, and the state with its flags and terms. The other two are the
/// usual interval and the connection; no conclusion that must not race is drawn from them.
///
/// Renewals write `heard` without a lock; `state` is written only under the lessor's lock. So there is one race: a signal comes
/// just as the instance is found overdue. [`Lease::hear`] stores `heard`, then loads `state`; [`Lease::silence`] stores `state`,
/// then loads `heard`. The four are sequentially consistent, so there is one order of them all, in which one of the two sees what
/// the other stored: either the mark is taken back, or the renewal learns that the instance is not up and brings it back.
/// [`Lease::relay`] is a [`Lease::hear`] that gives way to later signals, and [`Lease::leave`] a [`Lease::silence`] that brings
/// its own evidence.
///
/// A removal marks the lease first. A renewal that found the lease before that either loads the state from before the mark, and
/// then it precedes the removal; or it sees that the instance is not up, waits for the lock, and finds the mark.
pub(super) struct Lease {
    heard: AtomicI64,
    state: AtomicI64,
    pub(super) pace: Pace,
    pub(super) via: Via,
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

    /// Records a signal, and the gap before it if this collector has listened all the while, which it has since
    /// `listening_since`; `term` gives the configured term. Returns whether the instance is up; if not, it has to be brought back
    /// under the lock.
    #[inline]
    pub(super) fn hear(
        &self,
        signal: Signal,
        now: Moment,
        listening_since: Moment,
        term: impl FnOnce(TermsIndex) -> Duration,
    ) -> bool {
        let before = self.heard();
        self.heard.store(Heard::here(signal, now).pack(), SeqCst);
        let Standing { state, terms, .. } = self.standing();
        if !before.relayed && before.at >= listening_since && state != State::Left {
            let gap = now.since(before.at);
            self.pace.observe(gap, state == State::Down, term(terms));
        }
        state == State::Up
    }

    /// Notes a signal that came to another collector, unless a later one is known.
    pub(super) fn relay(&self, signal: Signal, at: Moment) -> bool {
        let word = Heard::elsewhere(signal, at).pack();
        let later = |known| (Heard::unpack(known).at < at).then_some(word);
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

    #[inline]
    pub(super) fn heard(&self) -> Heard {
        Heard::unpack(self.heard.load(SeqCst))
    }

    #[inline]
    pub(super) fn enter(&self, standing: Standing) {
        self.state.store(standing.pack(), SeqCst);
    }

    #[inline]
    pub(super) fn standing(&self) -> Standing {
        Standing::unpack(self.state.load(SeqCst))
    }

    /// Makes a removed lease a new one. The entries in the wheels that name it stay, so their flags do.
    pub(super) fn begin_again(&self, fresh: &Self) {
        self.pace.replace(&fresh.pace);
        self.via.clear();
        self.heard.store(fresh.heard.load(SeqCst), SeqCst);
        let (before, now) = (self.standing(), fresh.standing());
        let now = now.with(Flag::Filed, before.has(Flag::Filed));
        self.enter(now.with(Flag::Buried, before.has(Flag::Buried)));
    }

    #[inline]
    pub(super) fn is_removed(&self) -> bool {
        self.standing().has(Flag::Removed)
    }

    /// What it shows, given its terms.
    pub(super) fn view(&self, terms: LeaseTerms) -> LeaseView {
        let (standing, heard) = (self.standing(), self.heard());
        let closed = self.via.closed();
        LeaseView {
            state: standing.state,
            since: standing.since,
            last_seen: heard.at,
            signal: heard.signal,
            relayed: heard.relayed,
            usual: self.pace.usual(),
            terms,
            // A signal that came over no connection, or to another collector, is later evidence.
            closed: closed.filter(|closed| !heard.relayed && closed.at >= heard.at),
            forgotten: standing.has(Flag::Forgotten),
        }
    }
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
                Standing::new(State::Up, at(0), TermsIndex::DEFAULT),
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
                    lease.hear(Signal::Heartbeat, at(round), at(0), |_| Duration::MAX)
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
    fn a_view_shows_both_words() {
        let standing = Standing::new(State::Left, at(5), TermsIndex::DEFAULT);
        let lease = Lease::new(
            Heard::elsewhere(Signal::JvmMetrics, at(7)),
            standing.with(Flag::Forgotten, true),
            Pace::default(),
        );
        let terms = LeaseTerms {
            silent_after: Duration::from_secs(1),
            down_after: Duration::from_secs(2),
        };
        let expected = LeaseView {
            state: State::Left,
            since: at(5),
            last_seen: at(7),
            signal: Signal::JvmMetrics,
            relayed: true,
            usual: Duration::ZERO,
            terms,
            closed: None,
            forgotten: true,
        };
        assert_eq!(lease.view(terms), expected);
    }
}
