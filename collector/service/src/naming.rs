//! The lists of collectors that agents request, encoded once per change of the view.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use rollcall_domain::membership::{Member, View};
use tokio::sync::watch;

mod follower;

pub use follower::Follower;

/// The kind of addresses in a list of collectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// The gRPC addresses for agents: `host:port` (`/agent/gRPC`, `/agentstream/grpc`).
    AgentGrpc,
    /// The HTTP addresses for agents: `host:port` and context path (`/agent/jetty`).
    AgentJetty,
    /// The addresses of the UI: `host:port` and context path (`/ui/jetty`).
    Ui,
}

/// Returns the encoded lists of collectors, without taking a lock.
#[derive(Clone, Debug)]
pub struct Handle {
    bodies: Arc<ArcSwap<Bodies>>,
}

#[derive(Debug)]
struct Bodies {
    agent_grpc: Bytes,
    agent_jetty: Bytes,
    ui: Bytes,
}

/// The handle for the faces, and the worker that updates it with each view.
pub(super) fn build(members: &watch::Receiver<Arc<View>>) -> (Handle, Follower) {
    let handle = Handle::new(&members.borrow());
    let follower = Follower::new(handle.clone(), members.clone());
    (handle, follower)
}

impl Handle {
    fn new(view: &View) -> Self {
        Self {
            bodies: Arc::new(ArcSwap::from_pointee(Bodies::of(view))),
        }
    }

    /// The list as a sorted JSON array of strings, ready to send.
    #[must_use]
    pub fn body(&self, list: List) -> Bytes {
        let bodies = self.bodies.load();
        match list {
            List::AgentGrpc => bodies.agent_grpc.clone(),
            List::AgentJetty => bodies.agent_jetty.clone(),
            List::Ui => bodies.ui.clone(),
        }
    }

    /// Publishes the serving members of `view`. A view without a serving member gives an empty list; agents that receive it keep
    /// the list that they have.
    pub fn publish(&self, view: &View) {
        self.bodies.store(Arc::new(Bodies::of(view)));
    }
}

impl Bodies {
    fn of(view: &View) -> Self {
        Self {
            agent_grpc: encode(view, |member| member.agent_grpc.as_deref()),
            agent_jetty: encode(view, |member| member.agent_jetty.as_deref()),
            ui: encode(view, |member| member.ui.as_deref()),
        }
    }
}

fn encode(view: &View, address: impl Fn(&Member) -> Option<&str>) -> Bytes {
    let mut addresses: Vec<&str> = view.serving().filter_map(address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    serde_json::Value::from(addresses).to_string().into()
}
