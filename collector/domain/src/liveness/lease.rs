//! One lease in four machine words, since there are millions of leases.

mod evidence;
mod standing;
mod word;

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

pub(super) use evidence::Evidence;
pub(super) use standing::{Flag, Standing};

use super::{
    Contact, LeaseTerms, LeaseView, Observer, Signal, State, pace::Pace, terms::TermsIndex,
    via::Via,
};
use crate::Moment;

/// Two words decide about the lease, each a moment above a code: the last signal, and the state with its flags and terms. The other
/// two hold the usual interval and the connection; no decision that must not race depends on them.
///
/// Renewals write `last_signal` without a lock. `state` is written only under the lessor's lock. So there is one race: a signal
/// arrives while the instance is found overdue. [`Lease::record`] stores `last_signal`, then loads `state`. [`Lease::silence`]
/// stores `state`, then loads `last_signal`. The four operations are sequentially consistent, so in their total order at least one
/// of the two sees the other's store: either the mark is undone, or the renewal sees that the instance is not up and brings it
/// back. [`Lease::relay`] works as [`Lease::record`] but yields to later signals. [`Lease::leave`] works as [`Lease::silence`] with
/// the goodbye as its own evidence.
///
/// A removal marks the lease. A renewal that found the lease before the mark has two cases. Either it loads the state from before
/// the mark, and then it precedes the removal. Or it sees that the instance is not up, waits for the lock, and finds the mark.
pub(super) struct Lease {
    last_signal: AtomicI64,
    state: AtomicI64,
    pub(super) pace: Pace,
    pub(super) via: Via,
}

impl Lease {
    pub(super) fn new(last_signal: Evidence, standing: Standing, pace: Pace) -> Self {
        Self {
            last_signal: AtomicI64::new(last_signal.pack()),
            state: AtomicI64::new(standing.pack()),
            pace,
            via: Via::default(),
        }
    }

    /// Records a signal. Also records the gap before it if this collector, which has listened since `listening_since`, has listened
    /// since the previous signal. `term` returns the configured term. Returns whether the instance is up; if not, the caller brings
    /// it back under the lock.
    #[inline]
    pub(super) fn record(
        &self,
        signal: Signal,
        now: Moment,
        listening_since: Moment,
        term: impl FnOnce(TermsIndex) -> Duration,
    ) -> bool {
        let before = self.last_signal();
        self.last_signal
            .store(Evidence::observed(signal, now).pack(), SeqCst);
        let Standing { state, terms, .. } = self.standing();
        if !before.relayed && before.at >= listening_since && state != State::Left {
            let gap = now.since(before.at);
            self.pace.observe(gap, state == State::Down, term(terms));
        }
        state == State::Up
    }

    /// Records a signal that another collector observed, unless a later one is known. Returns whether it was recorded.
    pub(super) fn relay(&self, signal: Signal, at: Moment) -> bool {
        let word = Evidence::relayed(signal, at).pack();
        let later = |known| (Evidence::unpack(known).at < at).then_some(word);
        self.last_signal.fetch_update(SeqCst, SeqCst, later).is_ok()
    }

    /// Marks an instance that is up as silent, given that `evidence` is its last signal. Returns whether the mark stays: it is
    /// undone if another signal arrived meanwhile.
    pub(super) fn silence(&self, evidence: Evidence, now: Moment) -> bool {
        let standing = self.standing();
        self.enter(standing.into(State::Silent, now));
        let stands = self.last_signal() == evidence;
        if !stands {
            self.enter(standing);
        }
        stands
    }

    /// Marks an instance as left, on the evidence of its goodbye. Returns whether the mark stays: it is undone if another signal
    /// arrived after the goodbye.
    pub(super) fn leave(&self, goodbye: Evidence, now: Moment) -> bool {
        let standing = self.standing();
        self.last_signal.store(goodbye.pack(), SeqCst);
        self.enter(standing.into(State::Left, now));
        let stands = self.last_signal() == goodbye;
        if !stands {
            self.enter(standing);
        }
        stands
    }

    #[inline]
    pub(super) fn last_signal(&self) -> Evidence {
        Evidence::unpack(self.last_signal.load(SeqCst))
    }

    #[inline]
    pub(super) fn enter(&self, standing: Standing) {
        self.state.store(standing.pack(), SeqCst);
    }

    #[inline]
    pub(super) fn standing(&self) -> Standing {
        Standing::unpack(self.state.load(SeqCst))
    }

    /// A lease that belongs to no instance, for an unused place.
    pub(super) fn removed() -> Self {
        let start = Moment::from_millis(0);
        let standing = Standing::new(State::Left, start, TermsIndex::DEFAULT);
        Self::new(
            Evidence::observed(Signal::Leave, start),
            standing.with(Flag::Removed, true),
            Pace::default(),
        )
    }

    /// Starts a removed lease anew. It keeps its flags for entries in the wheels, because those entries stay.
    pub(super) fn begin_again(&self, fresh: &Self) {
        self.pace.replace(&fresh.pace);
        self.via.replace(&fresh.via);
        self.last_signal
            .store(fresh.last_signal.load(SeqCst), SeqCst);
        let (before, now) = (self.standing(), fresh.standing());
        let now = now.with(Flag::Filed, before.has(Flag::Filed));
        self.enter(now.with(Flag::FiledAsEnded, before.has(Flag::FiledAsEnded)));
    }

    #[inline]
    pub(super) fn is_removed(&self) -> bool {
        self.standing().has(Flag::Removed)
    }

    /// The collector that observed the last signal, and the connection that carried it.
    pub(super) fn source(&self, last_signal: Evidence) -> (Observer, Contact) {
        let (contact, member) = self.via.read();
        if last_signal.relayed {
            return (Observer::Elsewhere(member), Contact::Unknown);
        }
        let contact = match contact {
            // A later signal without a connection is newer evidence than the end of the connection.
            Contact::Closed(closed) if closed.at < last_signal.at => Contact::Unknown,
            contact => contact,
        };
        (Observer::Here, contact)
    }

    /// The lease as it is shown, with these terms.
    pub(super) fn view(&self, terms: LeaseTerms) -> LeaseView {
        let (standing, last_signal) = (self.standing(), self.last_signal());
        let (observer, contact) = self.source(last_signal);
        LeaseView {
            state: standing.state,
            since: standing.since,
            last_seen: last_signal.at,
            signal: last_signal.signal,
            relayed: last_signal.relayed,
            observer,
            usual: self.pace.usual(),
            terms,
            contact,
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

    fn registered() -> Evidence {
        Evidence::observed(Signal::Register, at(0))
    }

    /// Runs the race of the type's documentation many times, as tightly as possible: a heartbeat against `mark`. Returns for each
    /// round whether the renewal found the instance up, whether the mark stayed, and the final state.
    fn race(mark: impl Fn(&Lease, Moment) -> bool) -> Vec<(bool, bool, State)> {
        let lease = || {
            Lease::new(
                registered(),
                Standing::new(State::Up, at(0), TermsIndex::DEFAULT),
                Pace::default(),
            )
        };
        let leases: Vec<_> = (0..ROUNDS).map(|_| lease()).collect();
        // Neither thread starts a round before the other one is ready.
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
                let record = |(round, lease): (usize, &Lease)| {
                    meet(0, round);
                    lease.record(Signal::Heartbeat, at(round), at(0), |_| Duration::MAX)
                };
                (1..).zip(&leases).map(record).collect()
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
    fn a_signal_that_races_with_the_mark_is_noticed_by_one_side() {
        for (up, silent, state) in race(|lease, now| lease.silence(registered(), now)) {
            assert!(
                !(up && silent),
                "the renewal found it up and the mark stayed"
            );
            assert_eq!(state == State::Silent, silent);
        }
    }

    #[test]
    fn a_signal_that_races_with_a_goodbye_precedes_it_or_undoes_it() {
        let goodbye = |lease: &Lease, now| lease.leave(Evidence::observed(Signal::Leave, now), now);
        for (_, left, state) in race(goodbye) {
            assert_eq!(state == State::Left, left);
        }
    }

    #[test]
    fn a_view_shows_both_words() {
        let standing = Standing::new(State::Left, at(5), TermsIndex::DEFAULT);
        let lease = Lease::new(
            Evidence::relayed(Signal::JvmMetrics, at(7)),
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
            observer: Observer::Elsewhere(None),
            contact: Contact::Unknown,
            forgotten: true,
        };
        assert_eq!(lease.view(terms), expected);
    }
}
