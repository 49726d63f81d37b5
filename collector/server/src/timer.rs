//! A timer for the headers of one HTTP/1 connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use tokio::time;

/// Times one wait after the other, and hands tokio's timer down from each to the next.
///
/// hyper begins a wait for every header and drops it when the header is there. To tokio each would be an entry put into a
/// wheel that all connections share, and taken out again. The one that is handed down stays where it is: when it comes up
/// before its wait is over, and only then, it is filed anew. So a busy connection touches the wheel once per timeout and
/// not twice per request.
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
        let handed_down = self.idle.lock().take();
        let inner = handed_down.filter(|inner| inner.deadline() <= deadline);
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
    /// Comes up at the deadline or before. `None` once dropped.
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
    async fn every_wait_lasts_as_long_as_was_asked() {
        let timer = HeaderTimer::default();
        for (asked, dropped_after) in [
            (MINUTE, None),
            (MINUTE, Some(MINUTE / 2)),
            (MINUTE, None),
            (MINUTE / 4, None),
            (2 * MINUTE, Some(MINUTE)),
            (MINUTE / 4, None),
        ] {
            let start = time::Instant::now();
            let wait = timer.sleep(asked);
            match dropped_after {
                Some(early) => assert!(time::timeout(early, wait).await.is_err()),
                None => wait.await,
            }
            let waited = start.elapsed();
            let expected = dropped_after.unwrap_or(asked);
            // tokio's clock counts milliseconds, and rounds up.
            let rounding = waited.checked_sub(expected).expect("not too early");
            assert!(
                rounding <= Duration::from_millis(2),
                "{waited:?} for {asked:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_entry_serves_all_waits_until_it_comes_up() {
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
