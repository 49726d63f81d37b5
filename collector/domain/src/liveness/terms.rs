//! How long an instance may go without a signal.

use std::time::Duration;

mod table;

pub(super) use table::{Table, TermsIndex, Users};

/// The terms of a lessor: those of every lease that has none of its own, and what is common to all leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// After this long without a signal an instance is silent. An agent that usually takes longer between two signals gets a
    /// longer term ([`Terms::of`]).
    pub silent_after: Duration,
    /// After this long without a signal an instance is down; no shorter than `silent_after`.
    pub down_after: Duration,
    /// How late another collector may report a signal. An instance whose last signal reached another collector gets this much
    /// time on top, and the clocks of two collectors are taken to differ by at most this much. Zero if no other collector
    /// observes the same instances.
    pub relay: Duration,
    /// After a restart, and whenever terms are counted anew, each instance gets a part of this on top, so that the instances
    /// that do not come back do not all expire at once.
    pub spread: Duration,
    /// After this long down or left an instance is forgotten: it is not counted any more. Its lease stays.
    pub forget_after: Duration,
}

/// The terms of one lease, where they are not those of its lessor. An observed interval does not lengthen them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// After this long without a signal the instance is silent; at least 1 ms.
    pub silent_after: Duration,
    /// After this long without a signal the instance is down; no shorter than `silent_after`.
    pub down_after: Duration,
}

impl Terms {
    /// The terms of an instance that usually sends a signal this often: one signal may be missed, and half an interval more is for
    /// delays. Never shorter than configured; the time for down grows in proportion.
    #[must_use]
    pub fn of(&self, usual: Duration) -> Self {
        let silent_after = usual.saturating_add(usual / 2);
        if silent_after <= self.silent_after {
            return *self;
        }
        let factor = silent_after.as_secs_f64() / self.silent_after.as_secs_f64().max(0.001);
        // Both fit: an interval has 32 bits of milliseconds.
        let down_after = Duration::try_from_secs_f64(self.down_after.as_secs_f64() * factor);
        Self {
            silent_after,
            down_after: down_after.unwrap_or(Duration::MAX),
            ..*self
        }
    }

    /// These terms with those of one lease in their place.
    #[must_use]
    pub const fn with(&self, own: LeaseTerms) -> Self {
        Self {
            silent_after: own.silent_after,
            down_after: own.down_after,
            ..*self
        }
    }

    /// The usual interval as other collectors and later runs need it: zero where it changes no term.
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
