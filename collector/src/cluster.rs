//! Which collectors there are: the seam to a coordinator.

use std::sync::Arc;

use rollcall_domain::membership::{Member, View};
use tokio::sync::watch;

pub mod standalone;

/// A coordinator that knows the members.
///
/// A member is in the view from [`Cluster::join`] until its [`Session`] is dropped or it is lost. Losing the
/// coordinator keeps the last good view.
pub trait Cluster: std::fmt::Debug + Send + Sync + 'static {
    /// Makes this collector a member. To be called once all its listeners accept.
    fn join(&self, member: Member) -> Session;

    /// The members, now and after every change.
    fn view(&self) -> watch::Receiver<Arc<View>>;
}

/// A membership that ends when this is dropped.
#[must_use = "dropping a session leaves the cluster"]
pub struct Session {
    leave: Option<Box<dyn FnOnce() + Send>>,
}

impl Session {
    /// A session that calls `leave` when it ends.
    pub fn new(leave: impl FnOnce() + Send + 'static) -> Self {
        Self {
            leave: Some(Box::new(leave)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            leave();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
