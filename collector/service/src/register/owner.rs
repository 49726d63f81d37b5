//! Forwards new registrations to the owner, the collector that commits first.

use std::fmt;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, error::Elapsed, timeout};

use super::{Handle, Registration};

/// Requests a commit of registrations from another collector. The future ends once the commit has succeeded or failed; the caller
/// treats both alike.
pub type Forward = Box<dyn FnOnce(Vec<Registration>) -> BoxFuture<'static, ()> + Send>;

/// The collector that commits new registrations first. All members select the same one, so that batches are large and conflicts
/// rare.
pub trait Owner: fmt::Debug + Send + Sync {
    /// Forwards to the owner; `None` while it is this collector itself. Never blocks.
    fn elsewhere(&self) -> Option<Forward>;
}

impl Handle {
    /// Forwards to the owner, if it is another collector. The owner has half of the time until `due`. In the other half this
    /// collector registers the names itself: it reads from the store which of them the owner committed, and commits the others.
    pub(super) async fn forward_to_owner(
        &self,
        due: Instant,
        registrations: impl FnOnce() -> Vec<Registration>,
    ) {
        let owner = self.shared.owner.as_ref();
        let Some(forward) = owner.and_then(|owner| owner.elsewhere()) else {
            return;
        };
        let left = due.saturating_duration_since(Instant::now());
        let answer = Box::pin(timeout(left / 2, forward(registrations()))); // rare, so outside of the caller's future
        if let Err(Elapsed { .. }) = answer.await {
            tracing::debug!("the owner did not answer in time");
        }
    }
}
