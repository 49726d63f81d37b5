//! Lets other threads run during a long list.

use std::{thread, time::Duration};

use tokio::time::Instant;

/// The work between two offers. A busy system takes some milliseconds to give the processor back, so an offer for each entry
/// would make a page of a thousand take seconds.
const LENGTH: Duration = Duration::from_millis(2);

/// The work since a thread last offered its processor. The system would otherwise let calls of agents wait for a tick of its
/// scheduler.
#[derive(Debug)]
pub struct Turn(Instant);

impl Turn {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Offers the processor to other threads, if this one has worked for 2 ms.
    pub fn pass(&mut self) {
        if self.0.elapsed() >= LENGTH {
            thread::yield_now();
            *self = Self::begin();
        }
    }
}
