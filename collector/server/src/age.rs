//! How long connections may live.
//!
//! Agents connect once and stay where they are. After a collector was restarted, all of them are connected to the others;
//! a maximum age brings them back, a few at a time. Ages are spread, so that connections which began together do not end
//! together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A connection lives at least this part of the maximum age.
const LEAST: f64 = 0.8;

/// Draws an age for each connection of a listener.
#[derive(Debug)]
pub(super) struct Ages {
    max: Option<Duration>,
    random: RandomState,
    drawn: u64,
}

impl Ages {
    /// Ages up to `max`; none ends a connection if there is none.
    pub(super) fn new(max: Option<Duration>) -> Self {
        Self {
            max,
            random: RandomState::new(),
            drawn: 0,
        }
    }

    pub(super) fn draw(&mut self) -> Option<Duration> {
        let max = self.max?;
        self.drawn += 1;
        // The upper bits of a keyed hash are as good as random.
        let hashed = u32::try_from(self.random.hash_one(self.drawn) >> 32).unwrap_or(u32::MAX);
        let part = f64::from(hashed) / f64::from(u32::MAX);
        Some(max.mul_f64(LEAST + (1.0 - LEAST) * part))
    }
}

#[cfg(test)]
mod tests;
