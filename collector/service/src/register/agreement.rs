//! Whether this inventory agrees with those of the other members.

use std::time::Duration;

use tokio::time::Instant;

/// Whether this inventory is what others say that it should be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreement {
    pub(super) differs: bool,
    /// When the store was last read anew because of that.
    pub(super) read_anew: Option<Instant>,
    /// Whether the others are still to be told what this inventory holds since then.
    pub(super) is_unpublished: bool,
}

/// Between two attempts to agree by reading the whole store.
const REPAIRS: Duration = Duration::from_secs(600);

impl Agreement {
    /// Whether the others are told what this inventory holds: not while it may be the one that is wrong.
    pub(super) fn tells(&self) -> bool {
        !self.differs || self.is_fresh()
    }

    /// Whether that is told even if there is nothing else to write.
    pub(super) const fn insists(&self) -> bool {
        self.is_unpublished
    }

    /// Notes that it was told.
    pub(super) const fn published(&mut self) {
        self.is_unpublished = false;
    }

    /// Whether the store was read anew so lately that another difference is not this inventory's.
    pub(super) fn is_fresh(&self) -> bool {
        self.read_anew
            .is_some_and(|last| Instant::now() < last + REPAIRS)
    }
}
