//! A timer for the header timeouts of one HTTP/1 connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use tokio::time;

/// Times consecutive waits, and reuses tokio's timer from one to the next.
///
/// hyper starts a wait for every header and drops it when the header has arrived. With a new timer for each wait, tokio would
/// add an entry to a wheel that all connections share, and remove it again. The reused timer stays in the wheel, and is
/// registered again only if it fires before its wait is over. So a busy connection touches the wheel once per timeout and not
/// twice per request.
#[derive(Clone, Debug, Default)]
pub(super) struct HeaderTimer {
    idle: Arc<Mutex<Option<Pin<Box<time::Sleep>>>>>,
}

impl Timer for HeaderTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let deadline = deadline.into();
        let reused = self.idle.lock().take();
        let inner = reused.filter(|inner| inner.deadline() <= deadline);
        Box::pin(Wait {
            deadline,
            inner: Some(inner.unwrap_or_else(|| Box::pin(time::sleep_until(deadline)))),
            timer: self.clone(),
        })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into()
    }
}

struct Wait {
    deadline: time::Instant,
    /// Fires at the deadline or before. `None` once dropped.
    inner: Option<Pin<Box<time::Sleep>>>,
    timer: HeaderTimer,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(());
        };
        loop {
            ready!(inner.as_mut().poll(context));
            if inner.deadline() >= deadline {
                return Poll::Ready(());
            }
            inner.as_mut().reset(deadline);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        *self.timer.idle.lock() = self.inner.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn every_wait_lasts_as_long_as_requested() {
        let timer = HeaderTimer::default();
        for (requested, dropped_after) in [
            (MINUTE, None),
            (MINUTE, Some(MINUTE / 2)),
            (MINUTE, None),
            (MINUTE / 4, None),
            (2 * MINUTE, Some(MINUTE)),
            (MINUTE / 4, None),
        ] {
            let start = time::Instant::now();
            let wait = timer.sleep(requested);
            match dropped_after {
                Some(early) => assert!(time::timeout(early, wait).await.is_err()),
                None => wait.await,
            }
            let waited = start.elapsed();
            let expected = dropped_after.unwrap_or(requested);
            // tokio's clock counts milliseconds and rounds up.
            let rounding = waited.checked_sub(expected).expect("not too early");
            assert!(
                rounding <= Duration::from_millis(2),
                "{waited:?} for {requested:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_entry_serves_all_waits_until_it_fires() {
        let timer = HeaderTimer::default();
        drop(timer.sleep(MINUTE));
        let entry = timer.idle.lock().as_ref().map(|inner| inner.deadline());
        for _ in 0..10 {
            let wait = timer.sleep(MINUTE);
            assert!(time::timeout(Duration::from_secs(1), wait).await.is_err());
            assert_eq!(
                timer.idle.lock().as_ref().map(|inner| inner.deadline()),
                entry
            );
        }
    }
}
