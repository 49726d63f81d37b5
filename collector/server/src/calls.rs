//! Runs the calls of an HTTP/2 connection on the task of the connection.
//!
//! hyper passes each call to an executor. A task for each call would cost memory, a turn of the scheduler, often on another
//! processor, and usually a separate write to the socket for its answer. Here the calls run after the connection has read its
//! input, and its next poll writes all their answers together. A thread that answers a hundred calls at once wakes one task for
//! each connection.
//!
//! The calls of one connection therefore use one processor at a time, and a call that blocks its thread delays the other calls
//! and the pings of its connection. The work of a call is limited: large messages are decoded on other threads
//! (`rollcall_limits::Work`).

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

#[cfg(test)]
mod tests;

/// The calls that may end in one poll of a connection. A turn has at most a few polls (see `turns.rs`).
const TURN: usize = 64;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The calls of one connection.
#[derive(Debug, Default)]
pub(super) struct Calls {
    begun: Begun,
    running: FuturesUnordered<Call>,
}

/// The executor for hyper: collects the calls that begin.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// The executor that adds calls to this connection.
    pub(super) fn begun(&self) -> Begun {
        self.begun.clone()
    }

    /// Runs the calls that have begun or were woken. The task of `context` is woken when there is more to do.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        let mut begun = self.begun.0.lock();
        self.running.extend(begun.drain(..));
        begun.shrink_to(TURN); // a burst must not cost an idle connection its memory
        drop(begun);
        for _ in 0..TURN {
            match self.running.poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        context.waker().wake_by_ref();
    }

    /// Runs the calls that remain when their connection has ended. Each of them reads the end of its stream and then ends.
    pub(super) fn outlive(self, tasks: &TaskTracker) {
        let Self { begun, mut running } = self;
        running.extend(begun.0.lock().drain(..));
        if !running.is_empty() {
            tasks.spawn(running.for_each(std::future::ready));
        }
    }
}

impl<F> Executor<F> for Begun
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        // A panic, which the hook has logged, ends only its call.
        let call = AssertUnwindSafe(future).catch_unwind().map(drop);
        self.0.lock().push(Box::pin(call));
    }
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}
