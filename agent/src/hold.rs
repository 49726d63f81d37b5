//! Withholds a request that a collector refused.

use std::time::Duration;

use tokio::time::Instant;

use crate::{backoff::Backoff, random};

/// A pause that grows with each refusal in a row. The connection and all other requests continue meanwhile.
#[derive(Debug)]
pub(crate) struct Hold {
    backoff: Backoff,
    until: Option<Instant>,
}

impl Hold {
    /// Nothing is withheld yet. No pause is longer than `longest`.
    pub(crate) fn at_most(longest: Duration) -> Self {
        Self {
            backoff: Backoff::below(longest),
            until: None,
        }
    }

    /// Whether the request may be made now.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    /// The collector refused the request.
    pub(crate) fn refused(&mut self) {
        self.until = Some(Instant::now() + self.backoff.next(random::number()));
    }

    /// The collector answered the request.
    pub(crate) fn answered(&mut self) {
        self.until = None;
        self.backoff.reset();
    }

    /// A new connection, perhaps to another collector: the request may be made at once. If it is refused again, the pause still
    /// grows.
    pub(crate) fn end(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_is_withheld_for_a_limited_time() {
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
        hold.answered();
        assert!(hold.is_over());
    }
}
