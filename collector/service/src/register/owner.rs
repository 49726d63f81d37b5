//! Asking the collector that commits first.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, error::Elapsed, timeout};

use super::{Handle, Registration};

/// Knows which collector commits new registrations: one for all, so that their batches are large and races between their
/// commits few.
pub trait Owners: fmt::Debug + Send + Sync {
    /// The one to ask; `None` while that is this collector itself. Never blocks.
    fn elsewhere(&self) -> Option<Arc<dyn Peer>>;
}

/// Another collector.
pub trait Peer: fmt::Debug + Send + Sync {
    /// Has it commit these, and returns once it has, or cannot be asked. Which of the two makes no difference here.
    fn commit(&self, registrations: Vec<Registration>) -> BoxFuture<'static, ()>;
}

impl Handle {
    /// Has the owner commit these first, if it is another collector. It has half of the time until `due`; the other half is
    /// for this collector, which then does as if nobody had been asked: it finds in the store what the owner committed, and
    /// commits what it did not.
    pub(super) async fn ask_owner(
        &self,
        due: Instant,
        registrations: impl FnOnce() -> Vec<Registration>,
    ) {
        let Some(owner) = self
            .shared
            .owners
            .as_ref()
            .and_then(|owners| owners.elsewhere())
        else {
            return;
        };
        let left = due.saturating_duration_since(Instant::now());
        if let Err(Elapsed { .. }) = timeout(left / 2, owner.commit(registrations())).await {
            tracing::debug!("the owner took too long");
        }
    }
}
