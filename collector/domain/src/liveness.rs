//! Who is alive, and why the collector thinks so.
//!
//! Each instance has a lease. Whatever its agent sends renews it ([`Signal`]); without a signal it turns [`State::Silent`]
//! and then [`State::Down`], after the [`Terms`]. An agent that says goodbye is [`State::Left`]. Every change of state is a
//! [`Transition`], which carries its evidence. [`Lessor`] holds the leases.
//!
//! What holds (ARCHITECTURE.md, invariant 6):
//! * The collector's monotonic clock alone decides; an agent's clock has no say.
//! * Evidence names its observer. A signal that was restored or replicated is none of this run, and counts as no new one.
//! * Expiry marks. A lease is never removed, and a signal brings any of them back up.
//! * No state changes without its transition, and none is reported that did not happen.

mod group;
mod lease;
mod lessor;
mod pace;
mod terms;
mod via;
mod wheel;

use std::time::Duration;

pub use group::{Group, Tally};
pub use lessor::{Counts, Key, Lessor, Slow};
pub use terms::{LeaseTerms, Terms};
pub use via::{Cause, Closed, ConnectionId};

use crate::Moment;

/// What an agent did that proved it alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// It registered its instance.
    Register,
    /// It said, after a reconnect, which ids it holds.
    Recover,
    /// It said no more than that it lives: heartbeat (3.x, 5.x), ping (6.x), keepAlive (8.x).
    Heartbeat,
    /// It sent JVM metrics.
    JvmMetrics,
    /// It sent a trace segment.
    TraceSegment,
    /// It sent something else that it measured or noticed: meters, logs, events, profiles.
    Telemetry,
    /// It asked what it is to do: profiling tasks, configuration.
    Poll,
    /// It said that it stops on purpose: the one signal that is no sign of life.
    Leave,
    /// A signal that only a later release knows, by its code. Made by [`Signal::from_code`] alone.
    Other(u8),
}

impl Signal {
    /// The largest code that a release may give to a signal: a lease has no room for a larger one.
    pub const LARGEST_CODE: u8 = 0x3f;

    /// The number that stores it; it is the same in every release.
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

/// The state of an instance, in the order in which the collector gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Its last signal came within the term.
    Up = 0,
    /// No signal came for longer than `silent_after`.
    Silent = 1,
    /// No signal came for longer than `down_after`.
    Down = 2,
    /// It said that it stops on purpose.
    Left = 3,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Up, Self::Silent, Self::Down, Self::Left];
}

/// A change of state, and what it was concluded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition<K> {
    /// Counts the transitions of all instances, from 1: they happened in this order. Two threads may come to report
    /// theirs in another one.
    pub number: u64,
    /// What the lease belongs to.
    pub key: K,
    pub from: State,
    /// When it had come into the state it left.
    pub since: Moment,
    pub to: State,
    pub at: Moment,
    /// When the last signal came: the one that brought it back up, or the one that no other followed in time.
    pub last_seen: Moment,
    /// What that signal was.
    pub signal: Signal,
}

/// What a signal did, or a report of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transition that is not reported is lost"]
pub enum Renewal<K> {
    /// The instance had no lease and has one now.
    Granted,
    /// The state stays.
    Kept,
    /// It came back up, it left, or another collector gave it up.
    Changed(Transition<K>),
}

/// A lease as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseView {
    pub state: State,
    /// When it came into this state; for one that was up when it was restored, the time of that.
    pub since: Moment,
    /// When the last signal came, and what it was.
    pub last_seen: Moment,
    pub signal: Signal,
    /// Whether that signal came to another collector, or to an earlier run of this one, and was read from the store.
    pub relayed: bool,
    /// The usual interval between two signals, as far as it was observed.
    pub usual: Duration,
    /// Its terms, as they were set: those of the lessor or its own.
    pub terms: LeaseTerms,
    /// How the connection ended on which the signal came; `None` while it is open, and where this run has not seen it.
    pub closed: Option<Closed>,
    /// Whether it has been down or left for [`Terms::forget_after`].
    pub forgotten: bool,
}

/// A lease as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRecord<K> {
    pub key: K,
    pub last_seen: Moment,
    pub signal: Signal,
    pub state: State,
    /// The usual interval between two signals; zero where it does not lengthen the term.
    pub usual: Duration,
}

#[cfg(test)]
mod tests;
