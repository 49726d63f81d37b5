//! The timers of the pings that detect an unavailable HTTP/2 peer.
//!
//! When its timer fires, hyper judges a peer before it reads the bytes that the peer has sent. A collector that did not run for a
//! while, because its process or its machine was paused, would therefore close every connection with an unread answer. So the timer
//! of an answer gives the collector a turn to read first. A timer that fires late, because the collector stalled, waits again: up
//! to a whole [`Limits::ping_timeout`](super::Limits::ping_timeout).
//!
//! After a stall an unavailable peer is therefore detected later, by up to that time. The timer of the interval between two pings
//! judges nothing, and fires when it is due.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::time::{self, Instant};

use super::Stats;

#[cfg(test)]
mod tests;

/// The delay of a timer that shows that the collector stalled.
const STALL: Duration = Duration::from_secs(1);
/// The least time in which the collector reads the bytes that wait before it judges a peer.
const TURN: Duration = Duration::from_millis(10);

/// The ping timers of one listener.
#[derive(Clone, Debug)]
pub(super) struct Pings(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    timeout: Duration,
    stats: Arc<Stats>,
    /// When a timer last showed a stall.
    stalled: Mutex<Option<Instant>>,
}

pin_project! {
    /// A timer of one connection.
    #[derive(Debug)]
    struct Waiting {
        #[pin]
        sleep: time::Sleep,
        // Whether hyper judges the peer when the timer ends.
        is_judgement: bool,
        // Whether the collector has had its turn to read.
        has_read: bool,
        pings: Pings,
    }
}

impl Pings {
    pub(super) fn new(timeout: Duration, stats: &Arc<Stats>) -> Self {
        Self(Arc::new(Shared {
            timeout,
            stats: Arc::clone(stats),
            stalled: Mutex::new(None),
        }))
    }

    /// Whether this collector stalled so recently that an unanswered ping says nothing about the peer: its answer may have been
    /// lost, and its system may send it again only later.
    pub(super) fn has_stalled(&self) -> bool {
        let stalled = *self.0.stalled.lock();
        stalled.is_some_and(|at| at.elapsed() <= 2 * self.0.timeout)
    }

    /// The further wait after a timer fired late by `late`.
    fn extension(&self, late: Duration, has_read: bool) -> Duration {
        let timeout = self.0.timeout;
        if late >= STALL {
            *self.0.stalled.lock() = Some(Instant::now());
            self.0.stats.pings_extended.fetch_add(1, Relaxed);
            return timeout;
        }
        if has_read {
            return Duration::ZERO;
        }
        (4 * late).max(TURN).min(timeout)
    }

    /// Whether a timer with this much time left waits for an answer. The timer of an interval may look the same, and then fires a
    /// turn later.
    fn is_judgement(&self, left: Duration) -> bool {
        let timeout = self.0.timeout;
        left <= timeout && left > timeout / 4 * 3
    }
}

impl Timer for Pings {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let deadline = Instant::from(deadline);
        Box::pin(Waiting {
            sleep: time::sleep_until(deadline),
            is_judgement: self.is_judgement(deadline.saturating_duration_since(Instant::now())),
            has_read: false,
            pings: self.clone(),
        })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: std::time::Instant) {
        if let Some(waiting) = sleep.as_mut().downcast_mut_pin::<Waiting>() {
            let deadline = Instant::from(deadline);
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = waiting.project();
            *waiting.is_judgement = self.is_judgement(left);
            *waiting.has_read = false;
            waiting.sleep.reset(deadline);
        }
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            ready!(this.sleep.as_mut().poll(context));
            if !*this.is_judgement {
                return Poll::Ready(());
            }
            let now = Instant::now();
            let late = now.saturating_duration_since(this.sleep.deadline());
            let more = this.pings.extension(late, *this.has_read);
            if more.is_zero() {
                return Poll::Ready(());
            }
            *this.has_read = true;
            this.sleep.as_mut().reset(now + more);
        }
    }
}

impl Sleep for Waiting {}
