//! Which collectors there are: the seam to a coordinator.

use std::{fmt, sync::Arc, time::Duration};

pub use coordinated::Keeper;
use rollcall_domain::{
    Timestamp,
    membership::{Member, State, View},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

mod backoff;
mod coordinated;
mod entry;
pub mod etcd;
pub mod standalone;
#[cfg(test)]
mod testing;
pub mod zookeeper;

/// A coordinator that knows the members.
///
/// A member is in the view from [`Cluster::join`] until its [`Session`] ends or it is lost. Losing the coordinator keeps
/// the last good view.
pub trait Cluster: fmt::Debug + Send + Sync + 'static {
    /// Makes this collector a member, now or as soon as the coordinator lets it; never blocks. To be called once all its
    /// listeners accept.
    fn join(&self, member: Member) -> Session;

    /// The members, now and after every change.
    fn view(&self) -> watch::Receiver<Arc<View>>;

    /// `None`, or why this collector is not the member it should be or cannot know who else is one, in words for the
    /// operator. It heals by itself.
    fn health(&self) -> watch::Receiver<Option<Arc<str>>>;
}

/// A membership. It ends when this is dropped; [`Session::drain`] and [`Session::leave`] are the orderly way, which waits
/// until the others know.
#[must_use = "dropping a session leaves the cluster"]
pub struct Session {
    member: Member,
    publish: Box<dyn Fn(Option<Member>) + Send + Sync>,
    known: watch::Receiver<Option<State>>,
    heard: Duration,
}

impl Session {
    /// The membership of `member`, which is published at once. `publish` never blocks. `known` follows, and says what this
    /// collector is known as; `heard` later everybody has heard of it.
    pub fn new(
        member: Member,
        publish: impl Fn(Option<Member>) + Send + Sync + 'static,
        known: watch::Receiver<Option<State>>,
        heard: Duration,
    ) -> Self {
        publish(Some(member.clone()));
        Self {
            member,
            publish: Box::new(publish),
            known,
            heard,
        }
    }

    /// Says that this collector takes on nothing new since `at`, and waits until the others know or `within` has passed.
    pub async fn drain(&mut self, at: Timestamp, within: Duration) {
        self.member.state = State::Draining;
        self.member.since = at;
        (self.publish)(Some(self.member.clone()));
        let is_heard = self.until(|known| known != Some(State::Serving), within);
        if is_heard.await {
            sleep(self.heard).await;
        }
    }

    /// Ends the membership, and waits until the others know or `within` has passed.
    pub async fn leave(mut self, within: Duration) {
        (self.publish)(None);
        self.until(|known| known.is_none(), within).await;
    }

    /// Whether this collector is known as something that `is_right` within the time.
    async fn until(&mut self, is_right: impl Fn(Option<State>) -> bool, within: Duration) -> bool {
        let known = self.known.wait_for(|known| is_right(*known));
        let is_known = matches!(timeout(within, known).await, Ok(Ok(_)));
        if !is_known {
            tracing::warn!("the other collectors may not know yet that this one stops");
        }
        is_known
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        (self.publish)(None);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("member", &self.member)
            .finish_non_exhaustive()
    }
}
