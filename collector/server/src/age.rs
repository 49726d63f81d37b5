//! The maximum age of connections.
//!
//! Agents connect once and keep their connection. After a collector restarts, all of them are connected to the other members; a
//! maximum age moves them back gradually. Ages differ, so that connections opened together do not end together.

use std::time::Duration;

/// The least share of the maximum age that a connection lives.
const LEAST: f64 = 0.8;

/// A random age for a connection, of at most `max`; `None` if there is no maximum.
pub(super) fn draw(max: Option<Duration>) -> Option<Duration> {
    Some(max?.mul_f64(LEAST + (1.0 - LEAST) * fastrand::f64()))
}

#[cfg(test)]
mod tests;
