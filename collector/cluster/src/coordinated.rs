//! The part that the providers with a coordinator share: a task that talks to the coordinator, and its port to the collector.
//!
//! The collector sets its desired registration. The task registers it, and publishes the members. After an error the task
//! publishes the reason, backs off and retries, for as long as the collector runs.

#[cfg(test)]
mod tests;

use std::{convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use rollcall_domain::membership::{Member, View};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Cluster, EntryState, Session, backoff::Backoff};

/// The provider's part: communicates with its coordinator.
pub(super) trait Coordinator: Send + 'static {
    /// Why the session with the coordinator ended, for the operator.
    type Error: std::error::Error + Send;

    /// Connects, then keeps this collector registered as the port desires and publishes the members to the port. A call after
    /// an error resumes the session if the coordinator still holds it.
    ///
    /// # Errors
    /// The session failed. The call ends in no other way.
    fn session(
        &mut self,
        port: &mut Port,
    ) -> impl Future<Output = Result<Infallible, Self::Error>> + Send;
}

/// The collector's handle.
#[derive(Debug)]
pub struct Coordinated {
    desired: watch::Sender<Option<Member>>,
    entry: watch::Receiver<EntryState>,
    view: watch::Receiver<Arc<View>>,
    health: watch::Receiver<Option<Arc<str>>>,
}

/// The task's port: it reads the desired registration, and publishes the members and its own health.
#[derive(Debug)]
pub(super) struct Port {
    desired: watch::Receiver<Option<Member>>,
    entry: watch::Sender<EntryState>,
    view: watch::Sender<Arc<View>>,
    health: watch::Sender<Option<Arc<str>>>,
    /// The fault in the last warning, so that a lasting fault is logged once.
    logged: Option<Fault>,
}

/// The kinds of fault. The reason has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The coordinator is unavailable, or has ended this collector's session.
    Unavailable,
    /// Another collector is registered under this collector's address.
    Taken,
}

/// The task that the caller must spawn.
pub struct Keeper(Pin<Box<dyn Future<Output = ()> + Send>>);

/// The time after the coordinator's confirmation within which every connected member has also received the event. The coordinator
/// sends events to all watchers at the same time.
const DRAIN_ANNOUNCE_TIME: Duration = Duration::from_millis(250);

/// The collector's handle and the task behind it.
pub(super) fn pair(coordinator: impl Coordinator) -> (Coordinated, Keeper) {
    let (desired, desired_receiver) = watch::channel(None);
    let (entry, entry_receiver) = watch::channel(EntryState::Absent);
    let (view, view_receiver) = watch::channel(Arc::default());
    let unknown = Some(Arc::from("the coordinator has not been reached yet"));
    let (health, health_receiver) = watch::channel(unknown);
    let cluster = Coordinated {
        desired,
        entry: entry_receiver,
        view: view_receiver,
        health: health_receiver,
    };
    let port = Port {
        desired: desired_receiver,
        entry,
        view,
        health,
        logged: None,
    };
    (cluster, Keeper(Box::pin(keep(coordinator, port))))
}

impl Cluster for Coordinated {
    fn join(&self, member: Member) -> Session {
        let desired = self.desired.clone();
        let publish = move |member| {
            desired.send_replace(member);
        };
        Session::new(member, publish, self.entry.clone(), DRAIN_ANNOUNCE_TIME)
    }

    fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    fn health(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.health.clone()
    }
}

// === impl Port ===

impl Port {
    /// The registration that this collector desires; `None` for none. The caller may begin to register it from now on, so a stop
    /// must wait until the registration is removed again.
    pub(super) fn desired(&self) -> Option<Member> {
        // The lock of `desired` makes this happen before a later end of the membership, which then waits until the registration is
        // removed.
        let desired = self.desired.borrow();
        if desired.is_some() {
            self.entry.send_if_modified(|entry| {
                let was_absent = *entry == EntryState::Absent;
                if was_absent {
                    *entry = EntryState::Unconfirmed;
                }
                was_absent
            });
        }
        desired.clone()
    }

    /// Waits for a change of the desired registration since the last call.
    pub(super) async fn desired_changed(&mut self) {
        if self.desired.changed().await.is_err() {
            std::future::pending().await // the handle is dropped, and its last desired registration stays
        }
    }

    /// Publishes the members.
    pub(super) fn publish(&self, members: impl IntoIterator<Item = Member>) {
        let view = View::new(members);
        self.view.send_if_modified(|published| {
            let is_new = **published != view;
            if is_new {
                *published = Arc::new(view);
            }
            is_new
        });
    }

    /// Reports that this collector is registered as desired.
    pub(super) fn registered(&mut self, desired: Option<&Member>) {
        let state = desired.map(|member| member.state);
        self.entry
            .send_replace(state.map_or(EntryState::Absent, EntryState::Confirmed));
        self.logged = None;
        if self.health.send_replace(None).is_some() {
            tracing::info!(
                registered = desired.is_some(),
                "registration confirmed by the coordinator"
            );
        }
    }

    /// Reports why this collector is not registered as desired or cannot read the members.
    pub(super) fn degraded(&mut self, fault: Fault, reason: &str) {
        self.health.send_replace(Some(reason.into()));
        if fault == Fault::Taken {
            self.entry.send_replace(EntryState::Absent);
        }
        if self.logged == Some(fault) {
            tracing::debug!(reason, "cluster still degraded");
        } else {
            tracing::warn!(
                reason,
                "cluster degraded, the last known members stay in use"
            );
        }
        self.logged = Some(fault);
    }
}

// === impl Keeper ===

impl Keeper {
    /// Keeps this collector registered until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.0).await;
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

async fn keep(mut coordinator: impl Coordinator, mut port: Port) {
    let mut backoff = Backoff::default();
    loop {
        let Err(error) = coordinator.session(&mut port).await;
        if port.health.borrow().is_none() {
            backoff.reset();
        }
        port.degraded(Fault::Unavailable, &error.to_string());
        sleep(backoff.next()).await;
    }
}
