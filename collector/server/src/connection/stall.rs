//! Detects a peer that does not read its answers.
//!
//! The timer starts when there may be bytes for the peer to read, and is not reset before it fires. So a busy connection pays for
//! it once per timeout.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep};

use crate::traffic::Traffic;

/// The timer of a connection, and the progress of its peer when the timer was started.
#[derive(Debug)]
pub(super) struct Stall {
    timer: Option<Pin<Box<Sleep>>>,
    /// The progress of the peer when the timer was started; `None` while it does not run.
    start: Option<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    is_blocked: bool,
    written: usize,
    is_unread: bool,
    taken: usize,
}

impl Progress {
    fn of(traffic: &Traffic) -> Self {
        Self {
            is_blocked: traffic.is_blocked(),
            written: traffic.written(),
            is_unread: traffic.is_unread(),
            taken: traffic.taken(),
        }
    }

    /// Whether bytes have waited since `start` and the peer has read none of them.
    fn is_stalled_since(&self, start: &Self) -> bool {
        let is_blocked = self.is_blocked && start.is_blocked && self.written == start.written;
        let is_unread = self.is_unread && start.is_unread && self.taken == start.taken;
        is_blocked || is_unread
    }
}

impl Stall {
    pub(super) const fn new() -> Self {
        Self {
            timer: None,
            start: None,
        }
    }

    /// Ready when the peer has read nothing for at least one and at most two timeouts.
    pub(super) fn poll(&mut self, traffic: &Traffic, context: &mut Context<'_>) -> Poll<()> {
        let timeout = traffic.serving.limits.write_timeout;
        loop {
            let start = match self.start {
                Some(start) => start,
                None if !traffic.is_answering() => return Poll::Pending,
                None => {
                    match &mut self.timer {
                        Some(timer) => timer.as_mut().reset(Instant::now() + timeout),
                        None => self.timer = Some(Box::pin(sleep(timeout))),
                    }
                    *self.start.insert(Progress::of(traffic))
                }
            };
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(context));
            }
            if Progress::of(traffic).is_stalled_since(&start) {
                return Poll::Ready(());
            }
            self.start = None;
        }
    }
}
