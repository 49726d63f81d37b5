//! What the providers with a coordinator share: a task that speaks to it, and the line between that task and the collector.
//!
//! The collector says what it wants to be known as; the task makes it so, and tells what it knows. Whatever goes wrong is
//! told as a reason and tried again, after a pause, for as long as the collector lives.

#[cfg(test)]
mod tests;

use std::{convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use rollcall_domain::membership::{Member, State, View};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Cluster, Session, backoff::Backoff};

/// A provider's side: how to speak to its coordinator.
pub(super) trait Coordinator: Send + 'static {
    /// Why it cannot go on, for the operator.
    type Error: std::error::Error + Send;

    /// Connects, and from then on keeps this collector known as the desk wishes and tells the desk what is known of all.
    /// Begins again where it was when it is called after an error.
    ///
    /// # Errors
    /// It cannot go on. There is no other end.
    fn attend(
        &mut self,
        desk: &mut Desk,
    ) -> impl Future<Output = Result<Infallible, Self::Error>> + Send;
}

/// The collector's side.
#[derive(Debug)]
pub struct Coordinated {
    wish: watch::Sender<Option<Member>>,
    known: watch::Receiver<Option<State>>,
    view: watch::Receiver<Arc<View>>,
    health: watch::Receiver<Option<Arc<str>>>,
}

/// The task's side.
#[derive(Debug)]
pub(super) struct Desk {
    wish: watch::Receiver<Option<Member>>,
    known: watch::Sender<Option<State>>,
    view: watch::Sender<Arc<View>>,
    health: watch::Sender<Option<Arc<str>>>,
    /// What the log was last told.
    logged: Option<Trouble>,
}

/// What may be wrong. The reason says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The coordinator cannot be reached, or has given this collector up.
    Away,
    /// Somebody else is registered under this collector's address.
    Taken,
}

/// The task, to be spawned.
pub struct Keeper(Pin<Box<dyn Future<Output = ()> + Send>>);

/// How long after the coordinator has told this collector of a change the others have heard of it too, unless they are cut
/// off from it. Events go out to everybody at once.
const HEARD: Duration = Duration::from_millis(250);

/// Both sides.
pub(super) fn pair(coordinator: impl Coordinator) -> (Coordinated, Keeper) {
    let (wish, wish_receiver) = watch::channel(None);
    let (known, known_receiver) = watch::channel(None);
    let (view, view_receiver) = watch::channel(Arc::default());
    let unknown = Some(Arc::from("the coordinator has not been reached yet"));
    let (health, health_receiver) = watch::channel(unknown);
    let cluster = Coordinated {
        wish,
        known: known_receiver,
        view: view_receiver,
        health: health_receiver,
    };
    let desk = Desk {
        wish: wish_receiver,
        known,
        view,
        health,
        logged: None,
    };
    (cluster, Keeper(Box::pin(keep(coordinator, desk))))
}

impl Cluster for Coordinated {
    fn join(&self, member: Member) -> Session {
        let wish = self.wish.clone();
        let publish = move |member| {
            wish.send_replace(member);
        };
        Session::new(member, publish, self.known.clone(), HEARD)
    }

    fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    fn health(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.health.clone()
    }
}

// === impl Desk ===

impl Desk {
    /// What this collector is to be known as.
    pub(super) fn wish(&self) -> Option<Member> {
        self.wish.borrow().clone()
    }

    /// Waits until the wish is another one than at the last call of this.
    pub(super) async fn another_wish(&mut self) {
        if self.wish.changed().await.is_err() {
            std::future::pending().await // the collector is gone, and its last wish stands
        }
    }

    /// Tells who is a member.
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

    /// Tells that this collector is known as it wishes.
    pub(super) fn fulfilled(&mut self, wish: Option<&Member>) {
        self.known.send_replace(wish.map(|member| member.state));
        self.logged = None;
        if self.health.send_replace(None).is_some() {
            tracing::info!(
                registered = wish.is_some(),
                "the coordinator knows this collector as it should"
            );
        }
    }

    /// Tells why this collector is not known as it wishes, or does not know who else is there.
    pub(super) fn hindered(&mut self, trouble: Trouble, reason: &str) {
        self.health.send_replace(Some(reason.into()));
        if trouble == Trouble::Taken {
            self.known.send_replace(None);
        }
        if self.logged == Some(trouble) {
            tracing::debug!(reason, "the cluster is still not as it should be");
        } else {
            tracing::warn!(
                reason,
                "the cluster is not as it should be; the last known members stay"
            );
        }
        self.logged = Some(trouble);
    }
}

// === impl Keeper ===

impl Keeper {
    /// Keeps this collector known as it wishes, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.0).await;
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

async fn keep(mut coordinator: impl Coordinator, mut desk: Desk) {
    let mut backoff = Backoff::default();
    loop {
        let Err(error) = coordinator.attend(&mut desk).await;
        if desk.health.borrow().is_none() {
            backoff.reset();
        }
        desk.hindered(Trouble::Away, &error.to_string());
        sleep(backoff.next()).await;
    }
}
