//! The maximum age of connections.
//!
//! Agents connect once and keep their connection. After a collector restarts, all of them are connected to the other members; a
//! maximum age moves them back gradually. Ages differ, so that connections opened together do not end together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The least share of the maximum age that a connection lives.
const LEAST: f64 = 0.8;

/// Draws an age for each connection of a listener.
#[derive(Debug)]
pub(super) struct Ages {
    max: Option<Duration>,
    random: RandomState,
    drawn: u64,
}

impl Ages {
    /// Draws ages up to `max`. With `None` no connection has one.
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
        // The upper bits of a keyed hash serve as random bits.
        let hashed = u32::try_from(self.random.hash_one(self.drawn) >> 32).unwrap_or(u32::MAX);
        let part = f64::from(hashed) / f64::from(u32::MAX);
        Some(max.mul_f64(LEAST + (1.0 - LEAST) * part))
    }
}

#[cfg(test)]
mod tests;
