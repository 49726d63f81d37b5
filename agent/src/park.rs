//! Waits for a future on a plain thread, without a runtime.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use tokio::task::coop::unconstrained;

use crate::clock::Clock;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until `future` is ready, at most `timeout`; `None` if it was not.
///
/// For futures that need no runtime (channels, [`Stop::wait`](crate::stop::Stop::wait)): it polls, and parks in between. The caller
/// may be a task of tokio that has used up its budget, and then no channel answers before the task yields. [`unconstrained`]
/// prevents this.
pub(crate) fn wait<F: Future>(future: F, timeout: Duration) -> Option<F::Output> {
    let clock = Clock::start();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(unconstrained(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = timeout.checked_sub(clock.now())?;
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn a_ready_future_needs_no_time() {
        assert_eq!(wait(ready(7), Duration::ZERO), Some(7));
    }

    #[test]
    fn a_future_that_is_never_ready_times_out() {
        assert_eq!(wait(pending::<()>(), Duration::from_millis(5)), None);
    }

    #[tokio::test]
    async fn a_task_that_has_used_up_its_budget_waits_no_longer_than_others() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        while tokio::task::coop::has_budget_remaining() {
            sender.send(()).unwrap();
            receiver.recv().await.unwrap();
        }
        let (_sender, mut receiver) = tokio::sync::watch::channel(7);
        let seen = async { receiver.wait_for(|seen| *seen == 7).await.is_ok() };
        assert_eq!(wait(seen, Duration::from_secs(60)), Some(true));
    }

    #[test]
    fn another_thread_wakes_the_waiter() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = thread::spawn(move || sender.send(7));
        assert_eq!(wait(receiver, Duration::from_secs(60)), Some(Ok(7)));
        assert_eq!(other.join().unwrap(), Ok(()));
    }
}
