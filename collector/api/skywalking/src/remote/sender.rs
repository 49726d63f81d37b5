//! Selects the collector that commits a registration, and keeps a client for each other member.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use rollcall_domain::membership::View;
use rollcall_metrics::Metrics;
use rollcall_runtime::Clock;
use rollcall_service::register::{Forward, Owner};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    client::{self, Client},
    counters::Counters,
};

#[cfg(test)]
mod tests;

/// Selects the owner of new registrations: the first member, as upstream's `RemoteSenderService` does. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    own: Arc<str>,
    peers: Arc<ArcSwap<Peers>>,
}

/// The members, and the clients of those that can be reached.
#[derive(Debug, Default)]
struct Peers {
    view: Arc<View>,
    clients: HashMap<Arc<str>, Arc<Client>>,
}

/// The task that keeps a client for every other member as long as it is in the view.
#[derive(Debug)]
pub struct Clients {
    config: client::Config,
    own: Arc<str>,
    members: watch::Receiver<Arc<View>>,
    clock: Clock,
    counters: Counters,
    peers: Arc<ArcSwap<Peers>>,
    links: FuturesUnordered<BoxFuture<'static, ()>>,
}

/// The sender of the collector that the members list as `own`, and the task to run for it. Until the task runs, all registrations
/// are committed locally.
#[must_use]
pub fn build(
    config: client::Config,
    own: Arc<str>,
    members: watch::Receiver<Arc<View>>,
    clock: Clock,
    metrics: &Metrics,
) -> (Sender, Clients) {
    let peers = Arc::<ArcSwap<Peers>>::default();
    let sender = Sender {
        own: Arc::clone(&own),
        peers: Arc::clone(&peers),
    };
    let clients = Clients {
        config,
        own,
        members,
        clock,
        counters: Counters::new(metrics),
        peers,
        links: FuturesUnordered::new(),
    };
    (sender, clients)
}

// === impl Sender ===

impl Sender {
    /// The client of the owner; `None` if the owner is this collector, or has no client.
    fn client(&self) -> Option<Arc<Client>> {
        let peers = self.peers.load();
        let other = peers
            .view
            .owner()
            .filter(|member| member.address != self.own)?;
        peers.clients.get(&other.address).cloned()
    }
}

impl Owner for Sender {
    fn elsewhere(&self) -> Option<Forward> {
        let client = self.client()?;
        Some(Box::new(move |registrations| {
            let committed = client.commit(registrations);
            Box::pin(async move {
                if let Err(error) = committed.await {
                    tracing::debug!(%error, "registrations are committed here");
                }
                // Dropping the last handle closes the client.
                drop(client);
            })
        }))
    }
}

// === impl Clients ===

impl Clients {
    /// Applies changes of the members until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            self.apply_members();
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    changed = self.members.changed() => match changed {
                        Ok(()) => break,
                        Err(_closed) => return,
                    },
                    Some(()) = self.links.next() => {}
                }
            }
        }
    }

    /// Opens a client for every new member. The client of a member that left is closed by dropping it.
    fn apply_members(&mut self) {
        let view = Arc::clone(&self.members.borrow_and_update());
        let before = self.peers.load_full();
        let mut clients = HashMap::new();
        for member in view.members() {
            // Upstream's collectors have an inventory of their own.
            if member.address == self.own || member.version.is_none() {
                continue;
            }
            let client = match before.clients.get(&member.address) {
                Some(client) => Some(Arc::clone(client)),
                None => self.open(&member.address),
            };
            clients.extend(client.map(|client| (Arc::clone(&member.address), client)));
        }
        self.peers.store(Arc::new(Peers { view, clients }));
    }

    fn open(&mut self, member: &Arc<str>) -> Option<Arc<Client>> {
        match client::open(member, &self.config, self.clock, &self.counters) {
            Ok((client, link)) => {
                self.links.push(Box::pin(link.run()));
                Some(Arc::new(client))
            }
            Err(error) => {
                tracing::warn!(%member, %error, "member without a usable address, registrations are not forwarded to it");
                None
            }
        }
    }
}
