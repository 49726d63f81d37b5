//! Decides how long a drain waits for one connection.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::traffic::Traffic;

/// The time in which an idle peer may read its last answer and close.
pub(super) const CLOSE_TIME: Duration = Duration::from_secs(2);
/// The time after which a drain stops waiting for a peer that makes no progress with its request or its answer.
pub(super) const STALL_TIME: Duration = Duration::from_secs(3);
/// The bytes of a request or an answer within [`STALL_TIME`] that count as progress.
pub(super) const PROGRESS: usize = 1 << 10;
/// The interval at which a drain checks a connection.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Why a drain stopped waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// The peer has all its answers, or makes no progress.
    Idle,
    /// The grace has passed with this many requests in progress.
    CutOff(usize),
}

/// Waits until the drain of a connection may end: the peer has its answers, it made no progress for a while, or the grace has
/// passed.
pub(super) async fn drained(traffic: &Traffic, grace: Duration) -> Drained {
    let start = Instant::now();
    let standstill = STALL_TIME.min(grace / 2);
    let (mut since, mut moved) = (start, traffic.moved());
    let mut was_idle = traffic.is_idle();
    loop {
        sleep(CHECK_INTERVAL.min(grace)).await;
        let now = Instant::now();
        let progress = traffic.moved().wrapping_sub(moved);
        let is_idle = traffic.is_idle();
        let enough = if is_idle { 1 } else { PROGRESS };
        let moves = traffic.busy() > 0 || is_idle != was_idle || progress >= enough;
        let patience = if is_idle { CLOSE_TIME } else { standstill };
        if moves {
            (since, moved, was_idle) = (now, traffic.moved(), is_idle);
        } else if now - since >= patience {
            return Drained::Idle;
        }
        if now - start >= grace {
            return match (traffic.busy(), progress) {
                (0, 0) => Drained::Idle,
                (busy, 0) => Drained::CutOff(busy),
                _ => Drained::CutOff(traffic.under_way()),
            };
        }
    }
}
