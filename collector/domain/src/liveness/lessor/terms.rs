//! The terms of one instance.

use std::time::Duration;

use crate::{InstanceId, liveness::Terms};

impl Terms {
    /// The terms of an instance that usually sends a signal this often: it may miss one, and half an interval more is for
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

    /// The usual interval as other collectors and later runs need it: nothing, where it changes no term.
    pub(super) fn worth_reporting(&self, usual: Duration) -> Duration {
        if self.of(usual).silent_after > self.silent_after {
            usual
        } else {
            Duration::ZERO
        }
    }

    /// A part of [`Terms::spread`] that is always the same for an instance, and evenly spread over instances.
    pub(super) fn jitter(&self, instance: InstanceId) -> Duration {
        let hashed = instance.get().cast_unsigned().wrapping_mul(0x9E37_79B9);
        self.spread.mul_f64(f64::from(hashed) / f64::from(u32::MAX))
    }
}
