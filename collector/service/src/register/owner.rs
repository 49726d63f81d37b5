//! Forwards new registrations to the owner, the collector that commits first.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, error::Elapsed, timeout};

use super::{Handle, Registration};

/// Selects the collector that commits new registrations first. All members select the same one, so that batches are large and
/// conflicts rare.
pub trait Owners: fmt::Debug + Send + Sync {
    /// The owner; `None` while it is this collector itself. Never blocks.
    fn elsewhere(&self) -> Option<Arc<dyn Peer>>;
}

/// Another collector.
pub trait Peer: fmt::Debug + Send + Sync {
    /// Requests a commit of these registrations. Returns once it is done or has failed; the caller treats both alike.
    fn commit(&self, registrations: Vec<Registration>) -> BoxFuture<'static, ()>;
}

impl Handle {
    /// Requests a commit from the owner, if it is another collector. The owner has half of the time until `due`. In the other half
    /// this collector registers the names itself: it finds in the store what the owner committed, and commits the rest.
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
            tracing::debug!("the owner did not answer in time");
        }
    }
}
