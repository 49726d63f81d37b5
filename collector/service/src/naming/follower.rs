//! Updates the lists with each view, and logs the members that joined, drained and left.

use std::{collections::BTreeMap, sync::Arc};

use rollcall_domain::membership::{State, View};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Handle;

/// Encodes the lists when the view changes.
#[derive(Debug)]
pub struct Follower {
    handle: Handle,
    members: watch::Receiver<Arc<View>>,
    changes: Changes,
}

impl Follower {
    pub(crate) fn new(handle: Handle, members: watch::Receiver<Arc<View>>) -> Self {
        Self {
            handle,
            members,
            changes: Changes::default(),
        }
    }

    /// Publishes each view until stopped. The lists hold the current view before this returns.
    pub fn run(mut self, stop: CancellationToken) -> impl Future<Output = ()> + Send {
        self.publish();
        async move {
            while let Some(Ok(())) = stop.run_until_cancelled(self.members.changed()).await {
                self.publish();
            }
        }
    }

    fn publish(&mut self) {
        let view = self.members.borrow_and_update();
        self.changes.log(&view);
        self.handle.publish(&view);
    }
}

/// The members of the last view, for logging the difference to the next.
#[derive(Debug, Default)]
struct Changes(BTreeMap<Arc<str>, State>);

impl Changes {
    fn log(&mut self, view: &View) {
        let members = view.members().iter();
        let now: BTreeMap<_, _> = members
            .map(|member| (Arc::clone(&member.address), member.state))
            .collect();
        let before = &self.0;
        for (member, state) in &now {
            if before.get(member) == Some(state) {
                continue;
            }
            match state {
                State::Starting => tracing::info!(%member, "member starting"),
                State::Serving => tracing::info!(%member, "member joined"),
                State::Draining => tracing::info!(%member, "member draining"),
            }
        }
        for member in before.keys().filter(|member| !now.contains_key(*member)) {
            tracing::info!(%member, "member left");
        }
        self.0 = now;
    }
}
