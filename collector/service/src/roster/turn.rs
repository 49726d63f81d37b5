//! Lets other threads run during a long list.

use std::{thread, time::Duration};

use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// The shortest work between two offers of the processor. Some kernels let a thread finish a slice of 1 to 3 ms before they run a
/// thread that wakes up, even one with a higher priority. So a list delays a call of an agent by up to this time.
const SHORTEST: Duration = Duration::from_micros(250);
/// The longest work between two offers. A busy system takes some milliseconds to give the processor back, so with shorter turns a
/// page of a thousand instances would take seconds.
const LONGEST: Duration = Duration::from_millis(2);

/// The work since a thread last offered its processor.
#[derive(Debug)]
pub struct Turn {
    began: Instant,
    length: Duration,
}

impl Turn {
    /// A turn that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            length: SHORTEST,
        }
    }

    /// Offers the processor to other threads at the end of the turn. The next turn is as long as the system then kept the
    /// processor, from 250 µs to 2 ms.
    pub fn pass(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.began) >= self.length {
            thread::yield_now();
            self.begin_after(now.elapsed());
        }
    }

    fn begin_after(&mut self, pause: Duration) {
        self.began = Instant::now();
        self.length = pause.clamp(SHORTEST, LONGEST);
    }
}
