//! Polls the parts of a connection's task as often as they need it.
//!
//! Each part has a waker that records when it is used. So a part that was not woken is not polled, and a part that wakes itself
//! while it is polled is polled again at once. If such a part woke the task instead, the scheduler would queue the task, and often
//! wake another thread to run it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[cfg(test)]
mod tests;

/// The most polls of a part in one turn of its task.
const POLLS: usize = 4;

// States of a part.
const IDLE: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

/// Polls one part of a task.
#[derive(Debug, Default)]
pub(super) struct Turns(Option<Part>);

#[derive(Debug)]
struct Part {
    signal: Arc<Signal>,
    /// Wakes the part.
    waker: Waker,
}

#[derive(Debug)]
struct Signal {
    state: AtomicU8,
    task: Waker,
}

impl Turns {
    /// Polls the part, and polls it again while it wakes itself.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Part { signal, waker } = self.part(context.waker());
        let mut own = Context::from_waker(waker);
        for _ in 0..POLLS {
            signal.state.swap(POLLED, Ordering::AcqRel);
            let polled = poll(&mut own);
            if polled.is_ready() || signal.end_poll() {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls the part if it was woken, or if it was never polled.
    fn poll_woken<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if self.part(context.waker()).signal.is_idle() {
            return Poll::Pending;
        }
        self.poll(context, poll)
    }

    /// The part of the task with this waker.
    fn part(&mut self, task: &Waker) -> &Part {
        let follows = |part: &Part| part.signal.task.will_wake(task);
        if !self.0.as_ref().is_some_and(follows) {
            self.0 = None;
        }
        self.0.get_or_insert_with(|| Part::new(task))
    }
}

/// Runs a future, and polls it only when it was woken.
pub(super) async fn when_woken<F: Future>(future: F) -> F::Output {
    let (mut future, mut turns) = (pin!(future), Turns::default());
    poll_fn(|context| turns.poll_woken(context, |context| future.as_mut().poll(context))).await
}

impl Part {
    fn new(task: &Waker) -> Self {
        let signal = Arc::new(Signal {
            state: AtomicU8::new(WOKEN),
            task: task.clone(),
        });
        let waker = Waker::from(Arc::clone(&signal));
        Self { signal, waker }
    }
}

impl Signal {
    fn is_idle(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
    }

    /// Ends a poll. Returns `false` if the part was woken meanwhile.
    fn end_poll(&self) -> bool {
        let ended = self
            .state
            .compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire);
        ended.is_ok()
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A part that is being polled, or was woken before, will be polled again without this.
        if self.state.swap(WOKEN, Ordering::AcqRel) == IDLE {
            self.task.wake_by_ref();
        }
    }
}
