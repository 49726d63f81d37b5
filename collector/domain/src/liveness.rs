//! Which instances are alive, and on what evidence.
//!
//! Each instance has a lease. Every [`Signal`] of its agent but [`Signal::Leave`] renews the lease. Without a signal the instance
//! becomes [`State::Silent`] and then [`State::Down`], after the [`Terms`]. An instance whose agent reports its own end is
//! [`State::Left`]. Every change of state is a [`Transition`], which carries its evidence. [`Lessor`] holds the leases.
//!
//! Invariants (ARCHITECTURE.md, 6):
//! * Only the collector's monotonic clock decides; an agent's clock never does.
//! * Evidence names its observer. A restored or replicated signal was not observed in this run and never counts as new evidence.
//! * Expiry only marks a lease and never removes it. A signal brings an instance back up from any state.
//! * Every change of state has its transition, and every reported transition happened.

mod group;
mod lease;
mod lessor;
mod mass;
mod pace;
mod terms;
mod via;
mod wheel;

use std::time::Duration;

pub use group::{Group, Tally};
pub use lessor::{Counts, Key, Lessor, Slow};
pub use mass::{Guard, MassConfig, Pattern, Population, Share, SilentInstance, Wave};
pub use terms::{LeaseTerms, Terms};
pub use via::{Arrival, Cause, Closed, ConnectionId, Contact, Observer};

use crate::Moment;

/// An action of an agent that decides the state of its instance: a sign of life, or the announcement of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// It registered its instance.
    Register,
    /// It reported its ids after a reconnect.
    Recover,
    /// It sent a call that only proves it alive: heartbeat (3.x, 5.x), ping (6.x), keepAlive (8.x).
    Heartbeat,
    /// It sent JVM metrics.
    JvmMetrics,
    /// It sent a trace segment.
    TraceSegment,
    /// It sent other telemetry: meters, logs, events, profiles.
    Telemetry,
    /// It polled for commands: profiling tasks, configuration.
    Poll,
    /// It announced that it stops on purpose: the only signal that is not a sign of life.
    Leave,
    /// A signal of a later release, by its code. Only [`Signal::from_code`] makes it.
    Other(u8),
}

impl Signal {
    /// The largest code of a signal in any release: a lease has no room for a larger one.
    pub const LARGEST_CODE: u8 = 0x3f;

    /// Whether an agent sends this signal only when it starts or connects. Such a signal is never a late call of an agent that
    /// has announced its end.
    #[must_use]
    pub(crate) const fn is_arrival(self) -> bool {
        matches!(self, Self::Register | Self::Recover)
    }

    /// The number for storage; it is the same in every release.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Register => 1,
            Self::Recover => 2,
            Self::Heartbeat => 3,
            Self::JvmMetrics => 4,
            Self::TraceSegment => 5,
            Self::Telemetry => 6,
            Self::Poll => 7,
            Self::Leave => 8,
            Self::Other(code) => code,
        }
    }

    /// The signal with this code; `None` for 0 and for a code above [`Signal::LARGEST_CODE`].
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::Register,
            2 => Self::Recover,
            3 => Self::Heartbeat,
            4 => Self::JvmMetrics,
            5 => Self::TraceSegment,
            6 => Self::Telemetry,
            7 => Self::Poll,
            8 => Self::Leave,
            9..=Self::LARGEST_CODE => Self::Other(code),
            _ => return None,
        })
    }
}

/// The state of an instance, ordered from up to ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Its last signal arrived within the term.
    Up = 0,
    /// No signal arrived for longer than `silent_after`.
    Silent = 1,
    /// No signal arrived for longer than `down_after`.
    Down = 2,
    /// It announced that it stops on purpose.
    Left = 3,
}

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Up, Self::Silent, Self::Down, Self::Left];
}

/// A change of state with its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition<K> {
    /// The number of the transition among those of all instances, from 1, in the order in which they happened. Two threads may
    /// report theirs in another order.
    pub number: u64,
    /// The key of the lease.
    pub key: K,
    /// The state before.
    pub from: State,
    /// When the lease entered the state `from`.
    pub since: Moment,
    /// The state from now on.
    pub to: State,
    /// When the state changed.
    pub at: Moment,
    /// When the last signal arrived: the one that brought the instance back up, or the one after which no other arrived in time.
    pub last_seen: Moment,
    /// The last signal.
    pub signal: Signal,
    /// The collector that observed it.
    pub observer: Observer,
    /// The connection that carried that signal.
    pub contact: Contact,
    /// The observed usual interval between two signals; zero if unknown.
    pub usual: Duration,
    /// For a change to silent or down: the time without a signal after which the change is due.
    pub term: Duration,
    /// Whether another collector decided the change, and this collector applied its report.
    pub is_reported: bool,
}

/// The effect of a signal, or of a report of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transition that is not reported is lost"]
pub enum Renewal<K> {
    /// The instance had no lease and has one now.
    Granted,
    /// The state stays.
    Kept,
    /// The instance is up again, it has left, or another collector reported it as ended.
    Changed(Transition<K>),
    /// The state is unchanged, but a different collector now observes the signals.
    Moved {
        /// The collector that observed them before.
        from: Observer,
        /// The collector that observes them now.
        to: Observer,
    },
}

/// A lease as shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// The state of the lease.
    pub state: State,
    /// When it entered this state; for an instance that was up when it was restored, the time of the restore.
    pub since: Moment,
    /// When the last signal arrived.
    pub last_seen: Moment,
    /// The kind of the last signal.
    pub signal: Signal,
    /// Whether this run read that signal from a shared store: another collector, or an earlier run of this one, observed it.
    pub relayed: bool,
    /// The collector that observed it.
    pub observer: Observer,
    /// The observed usual interval between two signals.
    pub usual: Duration,
    /// Its configured terms: those of the lessor or its own.
    pub terms: LeaseTerms,
    /// The connection of the last signal.
    pub contact: Contact,
    /// Whether the lease is forgotten: it has been down or left for [`Terms::forget_after`], or an operator forgot it earlier.
    pub forgotten: bool,
}

/// A lease as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRecord<K> {
    /// The key of the lease.
    pub key: K,
    /// When the last signal arrived.
    pub last_seen: Moment,
    /// The kind of the last signal.
    pub signal: Signal,
    /// The state, as its collector derived it.
    pub state: State,
    /// The usual interval between two signals; zero if it does not lengthen the term.
    pub usual: Duration,
    /// The collector that observed the last signal.
    pub observer: Observer,
    /// Whether the lease is forgotten: it is down or left, and no longer counted and listed.
    pub forgotten: bool,
}

#[cfg(test)]
mod tests;
