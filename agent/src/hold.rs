//! Delays a request after a collector has refused it.

use std::time::Duration;

use tokio::time::Instant;

use crate::{backoff::Backoff, random};

/// A pause after a refused request, which grows with each further refusal. The connection remains open, and all other requests
/// continue.
#[derive(Debug)]
pub(crate) struct Hold {
    backoff: Backoff,
    until: Option<Instant>,
    /// The first of the refusals since the last answer on this connection.
    refused_since: Option<Instant>,
}

impl Hold {
    /// Creates a `Hold` without a pause. Later pauses are at most `longest`.
    pub(crate) fn at_most(longest: Duration) -> Self {
        Self {
            backoff: Backoff::below(longest),
            until: None,
            refused_since: None,
        }
    }

    /// Whether the request may be made now.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    /// Begins the next pause, because the collector refused the request.
    pub(crate) fn refused(&mut self) {
        let now = Instant::now();
        self.until = Some(now + self.backoff.next(random::number()));
        self.refused_since.get_or_insert(now);
    }

    /// How long the collector has refused the request on this connection; zero if it has not.
    pub(crate) fn refused_for(&self) -> Duration {
        self.refused_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Ends the pause, because the collector answered the request. The next pause is short again.
    pub(crate) fn answered(&mut self) {
        self.end();
        self.backoff.reset();
    }

    /// Ends the pause for a new connection, perhaps to another collector. If the request is refused again, the pause is still
    /// longer than the last one.
    pub(crate) fn end(&mut self) {
        self.until = None;
        self.refused_since = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_is_delayed_for_a_limited_time() {
        const LONGEST: Duration = Duration::from_secs(60);
        let mut hold = Hold::at_most(LONGEST);
        assert!(hold.is_over());
        let mut withheld = 0;
        for _ in 0..20 {
            hold.refused();
            withheld += u32::from(!hold.is_over());
            advance(LONGEST).await;
            assert!(hold.is_over());
        }
        assert!(withheld > 0);
        hold.refused();
        assert!(hold.refused_for() >= 20 * LONGEST);
        hold.answered();
        assert!(hold.is_over());
        assert_eq!(hold.refused_for(), Duration::ZERO);
    }
}
