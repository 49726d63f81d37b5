//! The request to stop the background thread.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};

use atomic_waker::AtomicWaker;

/// A request to stop, which is final, and the time for the announcement of the stop (the goodbye).
///
/// Requesting takes no lock: a store, and a wake that ends in one `write` to the runtime's event descriptor. It may be done from
/// a panic hook. Tokio allocates in the first wake of a thread, so it is not for a signal handler.
#[derive(Debug)]
pub(crate) struct Stop {
    /// In milliseconds; [`RUNNING`] until a stop is requested.
    goodbye: AtomicU64,
    waiter: AtomicWaker,
}

/// The value of the field `goodbye` while no stop is requested.
const RUNNING: u64 = u64::MAX;

impl Default for Stop {
    fn default() -> Self {
        Self {
            goodbye: AtomicU64::new(RUNNING),
            waiter: AtomicWaker::new(),
        }
    }
}

impl Stop {
    /// Requests the stop. If stops are requested several times, the shortest time for the goodbye applies.
    pub(crate) fn request(&self, goodbye: Duration) {
        let millis = u64::try_from(goodbye.as_millis()).unwrap_or(u64::MAX);
        self.goodbye
            .fetch_min(millis.min(RUNNING - 1), Ordering::SeqCst);
        self.waiter.wake();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.goodbye.load(Ordering::SeqCst) != RUNNING
    }

    /// The time for the goodbye.
    pub(crate) fn goodbye(&self) -> Duration {
        Duration::from_millis(self.goodbye.load(Ordering::SeqCst))
    }

    /// The output of `future`, or `None` if a stop is requested first.
    pub(crate) async fn or<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait() => None,
            value = future => Some(value),
        }
    }

    /// Waits until a stop is requested. Only the agent's thread may wait, because there is room for one waiter.
    pub(crate) async fn wait(&self) {
        poll_fn(|context| {
            self.waiter.register(context.waker());
            if self.is_requested() {
                // Otherwise the waker would keep parts of a runtime that has ended, and the next request would have to free them.
                drop(self.waiter.take());
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_goodbye_applies_in_any_order_of_the_requests() {
        let stop = Stop::default();
        assert!(!stop.is_requested());
        for millis in [500, 20, 300] {
            stop.request(Duration::from_millis(millis));
        }
        assert!(stop.is_requested());
        assert_eq!(stop.goodbye(), Duration::from_millis(20));
        stop.request(Duration::MAX);
        assert_eq!(stop.goodbye(), Duration::from_millis(20));
    }
}
