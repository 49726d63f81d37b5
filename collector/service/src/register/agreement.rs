//! Tracks whether this inventory agrees with those of the other members.

use std::time::Duration;

use tokio::time::Instant;

/// The result of comparing this inventory with the digests of the other members.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreement {
    pub(super) differs: bool,
    /// When the store was last reloaded because of a difference.
    pub(super) reloaded_at: Option<Instant>,
    /// Whether the digest after that reload has not been published yet.
    pub(super) is_unpublished: bool,
}

/// The shortest interval between two reloads of the store because of a difference.
const REPAIRS: Duration = Duration::from_secs(600);

impl Agreement {
    /// Whether batches carry a digest of this inventory. They carry none while this inventory may be the one that diverged.
    pub(super) fn publishes(&self) -> bool {
        !self.differs || self.is_fresh()
    }

    /// Whether the digest is published even in an entry without rows.
    pub(super) const fn must_publish(&self) -> bool {
        self.is_unpublished
    }

    /// Records that the digest was published.
    pub(super) const fn published(&mut self) {
        self.is_unpublished = false;
    }

    /// Whether the store was reloaded so recently that, if the digests differ again, another member has diverged.
    pub(super) fn is_fresh(&self) -> bool {
        self.reloaded_at
            .is_some_and(|last| Instant::now() < last + REPAIRS)
    }
}
