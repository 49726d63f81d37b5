//! Bytes of a stream that wait for room in the budget `answers`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use rollcall_limits::Shared;
use tokio::time::{Instant, Sleep, sleep};

use super::deadline::Deadline;
use crate::traffic::Traffic;

/// The pause before a stream that waits for room checks again.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// The longest time that a stream waits for room. Its body is not polled meanwhile, and the body of a Nacos stream also reads the
/// acknowledgements of its client, which count as missing after five seconds by default.
const LONGEST: Duration = Duration::from_secs(3);

/// Bytes that wait for room.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) bytes: Bytes,
    until: Instant,
    pause: Pin<Box<Sleep>>,
    #[expect(dead_code, reason = "held until the bytes are dropped")]
    charge: Arc<Shared>,
}

impl Waiting {
    /// Waits until the deadline of the message, at most the write timeout or [`LONGEST`] after its first wait; `None` if too many
    /// bytes wait already.
    pub(super) fn begin(bytes: Bytes, traffic: &Traffic, message: &mut Deadline) -> Option<Self> {
        let charge = traffic.budgets.waiting.try_charge_shared(&bytes).ok()?;
        let longest = traffic.serving.limits.write_timeout.min(LONGEST);
        Some(Self {
            bytes,
            until: *message.until.get_or_insert(Instant::now() + longest),
            pause: Box::pin(sleep(PAUSE)),
            charge,
        })
    }

    /// Waits until it is time to check for room again. Returns whether this is the last check.
    pub(super) fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        ready!(self.pause.as_mut().poll(context));
        let now = Instant::now();
        self.pause.as_mut().reset(now + PAUSE);
        Poll::Ready(now >= self.until)
    }
}
