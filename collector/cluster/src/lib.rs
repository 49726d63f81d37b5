//! The members of the cluster: the trait that every coordinator implements, and the implementations.

#![warn(missing_docs)]

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
/// A member is in the view from [`Cluster::join`] until its [`Session`] ends or the coordinator removes it. If the coordinator
/// becomes unavailable, the last good view stays.
pub trait Cluster: fmt::Debug + Send + Sync + 'static {
    /// Makes this collector a member, now or as soon as the coordinator is available; never blocks. Call it once all
    /// listeners accept.
    fn join(&self, member: Member) -> Session;

    /// The members, now and after every change.
    fn view(&self) -> watch::Receiver<Arc<View>>;

    /// The reason why this collector is not registered or cannot read the members, as a text for the operator; `None` if it is
    /// healthy. The provider retries by itself.
    fn health(&self) -> watch::Receiver<Option<Arc<str>>>;
}

/// A membership. Dropping it ends the membership at once. [`Session::drain`] and [`Session::leave`] wait until the other members
/// have received the change.
#[must_use = "dropping a session leaves the cluster"]
pub struct Session {
    member: Member,
    publish: Box<dyn Fn(Option<Member>) + Send + Sync>,
    entry: watch::Receiver<EntryState>,
    announce_time: Duration,
}

/// The state of this collector's entry at the coordinator, which the other members may have read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryState {
    /// The coordinator has no entry of this collector.
    Absent,
    /// The coordinator may have an entry of this collector: a registration has begun and is not confirmed.
    Unconfirmed,
    /// The coordinator has confirmed an entry in this state.
    Confirmed(State),
}

impl Session {
    /// The membership of `member`, which is published at once. `publish` must not block. `entry` reports the state that the
    /// coordinator has confirmed. The other members receive a confirmed state at most `announce_time` later.
    fn new(
        member: Member,
        publish: impl Fn(Option<Member>) + Send + Sync + 'static,
        entry: watch::Receiver<EntryState>,
        announce_time: Duration,
    ) -> Self {
        publish(Some(member.clone()));
        Self {
            member,
            publish: Box::new(publish),
            entry,
            announce_time,
        }
    }

    /// Announces that this collector has accepted no new work since `at`, and waits at most `within` until the other members have
    /// received that.
    pub async fn drain(&mut self, at: Timestamp, within: Duration) {
        self.member.state = State::Draining;
        self.member.since = at;
        (self.publish)(Some(self.member.clone()));
        let is_out = |entry| {
            !matches!(
                entry,
                EntryState::Unconfirmed | EntryState::Confirmed(State::Serving)
            )
        };
        let is_confirmed = self.until(is_out, within);
        if is_confirmed.await {
            sleep(self.announce_time).await;
        }
    }

    /// Ends the membership, and waits at most `within` until the coordinator has confirmed the end.
    pub async fn leave(mut self, within: Duration) {
        (self.publish)(None);
        self.until(|entry| entry == EntryState::Absent, within)
            .await;
    }

    /// Waits at most `within` until the coordinator confirms a state that `is_right` accepts. If the time passes first, warns and
    /// returns `false`.
    async fn until(&mut self, is_right: impl Fn(EntryState) -> bool, within: Duration) -> bool {
        let confirmed = self.entry.wait_for(|entry| is_right(*entry));
        let is_confirmed = matches!(timeout(within, confirmed).await, Ok(Ok(_)));
        if !is_confirmed {
            tracing::warn!(
                "stop not confirmed by the coordinator, other collectors may still list this one"
            );
        }
        is_confirmed
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
