//! How long a drain waits for one connection.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::traffic::Traffic;

/// How long a peer may take, with nothing of it under way, to fetch its last answer and to say goodbye.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);
/// How long a drain waits for a peer that owes bytes of its request, or takes none of its answer.
pub(super) const STANDSTILL: Duration = Duration::from_secs(3);
/// What counts as progress meanwhile, in bytes.
pub(super) const PROGRESS: usize = 1 << 10;
/// How often a drain looks at a connection.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// How a drain gave up waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// The peer has its answers, or makes no progress.
    Idle,
    /// The grace has passed, and so many requests were still under way.
    CutOff(usize),
}

/// Returns when the drain of a connection has nothing to wait for: the peer has its answers, or has made no progress for a
/// while. At the end of the grace in any case.
pub(super) async fn drained(traffic: &Traffic, grace: Duration) -> Drained {
    let start = Instant::now();
    let standstill = STANDSTILL.min(grace / 2);
    let (mut since, mut moved) = (start, traffic.moved());
    let mut was_idle = traffic.is_idle();
    loop {
        sleep(LOOK.min(grace)).await;
        let now = Instant::now();
        let progress = traffic.moved().wrapping_sub(moved);
        let is_idle = traffic.is_idle();
        let enough = if is_idle { 1 } else { PROGRESS };
        let moves = traffic.busy() > 0 || is_idle != was_idle || progress >= enough;
        let patience = if is_idle { FAREWELL } else { standstill };
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
