//! The terms of leases: how long an instance may send no signal.

use std::time::Duration;

mod table;

pub(super) use table::{Table, TermsIndex, Users};

/// The terms of a lessor: those of every lease without terms of its own, and the settings common to all leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// An instance is silent after this long without a signal. An agent whose usual interval is longer gets a longer term
    /// ([`Terms::of`]).
    pub silent_after: Duration,
    /// An instance is down after this long without a signal; at least `silent_after`.
    pub down_after: Duration,
    /// The longest delay of another collector's report of a signal. An instance whose last signal reached another collector gets
    /// this much extra time, and the clocks of two collectors are assumed to differ by at most this much. Zero if no other
    /// collector observes the same instances.
    pub relay: Duration,
    /// After a restart, and whenever all terms start anew, each instance gets a part of this as extra time, so that instances that
    /// do not return do not all expire at once.
    pub spread: Duration,
    /// An instance is forgotten after this long down or left: it is no longer counted. Its lease stays.
    pub forget_after: Duration,
}

/// The terms of one lease that differ from those of its lessor. An observed interval does not lengthen them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The instance is silent after this long without a signal; at least 1 ms.
    pub silent_after: Duration,
    /// The instance is down after this long without a signal; at least `silent_after`.
    pub down_after: Duration,
}

impl Terms {
    /// The terms of an instance with this usual interval: one and a half intervals until it is silent, so that a signal may be
    /// late. They are never shorter than configured; `down_after` grows in proportion.
    #[must_use]
    pub fn of(&self, usual: Duration) -> Self {
        let silent_after = usual.saturating_add(usual / 2);
        if silent_after <= self.silent_after {
            return *self;
        }
        let factor = silent_after.as_secs_f64() / self.silent_after.as_secs_f64().max(0.001);
        // Both values fit: an interval has 32 bits of milliseconds.
        let down_after = Duration::try_from_secs_f64(self.down_after.as_secs_f64() * factor);
        Self {
            silent_after,
            down_after: down_after.unwrap_or(Duration::MAX),
            ..*self
        }
    }

    /// These terms, overridden by those of one lease.
    #[must_use]
    pub const fn with(&self, own: LeaseTerms) -> Self {
        Self {
            silent_after: own.silent_after,
            down_after: own.down_after,
            ..*self
        }
    }

    /// The usual interval to report to other collectors and later runs: zero if it changes no term.
    pub(super) fn worth_reporting(&self, usual: Duration) -> Duration {
        if self.of(usual).silent_after > self.silent_after {
            usual
        } else {
            Duration::ZERO
        }
    }

    /// Whether other collectors observe the same instances.
    pub(super) fn is_shared(&self) -> bool {
        self.relay > Duration::ZERO
    }

    /// The part of [`Terms::spread`] that belongs to a key with this hash.
    pub(super) fn jitter(&self, hash: u64) -> Duration {
        let part = u32::try_from(hash >> 32).unwrap_or(u32::MAX);
        self.spread.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}
