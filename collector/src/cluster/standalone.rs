//! A cluster of one.

use std::sync::Arc;

use rollcall_domain::membership::{Member, View};
use tokio::sync::watch;

use super::{Cluster, Session};

/// Knows this collector and nobody else.
#[derive(Debug)]
pub struct Standalone {
    view: watch::Sender<Arc<View>>,
}

impl Standalone {
    /// A cluster that nobody has joined yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            view: watch::Sender::new(Arc::new(View::default())),
        }
    }
}

impl Default for Standalone {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster for Standalone {
    fn join(&self, member: Member) -> Session {
        self.view.send_replace(Arc::new(View::new([member])));
        let view = self.view.clone();
        Session::new(move || {
            view.send_replace(Arc::new(View::default()));
        })
    }

    fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }
}
