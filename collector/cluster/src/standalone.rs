//! A cluster of one.

use std::{sync::Arc, time::Duration};

use rollcall_domain::membership::{Member, View};
use tokio::sync::watch;

use super::{Cluster, EntryState, Session};

/// A cluster whose only member is this collector. It is always healthy.
#[derive(Debug, Default)]
pub struct Standalone {
    view: watch::Sender<Arc<View>>,
    health: watch::Sender<Option<Arc<str>>>,
}

impl Standalone {
    /// A cluster that this collector has not joined yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Cluster for Standalone {
    fn join(&self, member: Member) -> Session {
        let view = self.view.clone();
        let (entry, receiver) = watch::channel(EntryState::Absent);
        let publish = move |member: Option<Member>| {
            let state = member.as_ref().map(|member| member.state);
            view.send_replace(Arc::new(View::new(member)));
            entry.send_replace(state.map_or(EntryState::Absent, EntryState::Confirmed));
        };
        Session::new(member, publish, receiver, Duration::ZERO)
    }

    fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    fn health(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.health.subscribe()
    }
}
