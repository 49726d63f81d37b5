//! `liveness.default`: the terms of leases.

use std::time::Duration;

/// `liveness.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// An instance without a signal for this long is silent.
    pub silent_after: Duration,
    /// An instance without a signal for this long is down.
    pub down_after: Duration,
    /// The interval between two sweeps for expired leases.
    pub tick: Duration,
    /// The most leases that expire in one tick; the remaining leases wait for the next tick.
    pub max_expired_per_tick: usize,
    /// After a start every lease has a full term plus a random part of this.
    pub restart_spread: Duration,
    /// An instance that has been down or left for this long is removed from counts and lists.
    pub forget_after: Duration,
    /// The interval between two writes of the last-seen times to the store.
    pub write_back_interval: Duration,
}
