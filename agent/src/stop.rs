//! How anyone asks the background thread to end.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

use atomic_waker::AtomicWaker;

/// A request to stop, made once and for ever.
///
/// Requesting takes no lock and allocates nothing: a store, and a wake that ends in one `write` to the runtime's event
/// descriptor. It may be done from a signal handler or a panic hook.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: AtomicBool,
    waiter: AtomicWaker,
}

impl Stop {
    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
        self.waiter.wake();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Ends when a stop is requested. One waiter at a time: the agent's thread.
    pub(crate) async fn wait(&self) {
        poll_fn(|context| {
            self.waiter.register(context.waker());
            if self.is_requested() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
