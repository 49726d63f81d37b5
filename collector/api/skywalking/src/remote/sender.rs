//! Which collector is asked, and a client for each that can be.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use rollcall_domain::membership::{ForeverFirst, Selector, View};
use rollcall_metrics::Metrics;
use rollcall_runtime::Clock;
use rollcall_service::register::{Owners, Peer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    client::{self, Client},
    counters::Counters,
};

#[cfg(test)]
mod tests;

/// Chooses who does something: as upstream's `RemoteSenderService`, by a selector over the members in order, and it is done
/// here if this collector is chosen. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    own: Arc<str>,
    peers: Arc<ArcSwap<Peers>>,
}

/// Who does something.
#[derive(Clone, Debug)]
pub enum Target {
    /// This collector.
    Here,
    /// Another one.
    There(Arc<Client>),
}

/// The members, and those that can be asked.
#[derive(Debug, Default)]
struct Peers {
    view: Arc<View>,
    clients: HashMap<Arc<str>, Arc<Client>>,
}

/// Keeps a client for every other member for as long as it is one. It has to run.
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

/// The sender of the collector that the members know as `own`, and what has to run for it. Until then it does everything here.
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
    /// Who does what belongs to `key`. Where nobody can be chosen, or asked, it is this collector.
    #[must_use]
    pub fn select(&self, selector: &dyn Selector, key: &str) -> Target {
        let peers = self.peers.load();
        let chosen = selector.select(&peers.view, key);
        let other = chosen.filter(|member| member.address != self.own);
        let client = other.and_then(|member| peers.clients.get(&member.address));
        client.map_or(Target::Here, |client| Target::There(Arc::clone(client)))
    }
}

impl Owners for Sender {
    /// One for all registrations, so that they end up in few batches.
    fn elsewhere(&self) -> Option<Arc<dyn Peer>> {
        match self.select(&ForeverFirst, "") {
            Target::Here => None,
            Target::There(client) => Some(client),
        }
    }
}

// === impl Clients ===

impl Clients {
    /// Follows the members until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            self.follow();
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    changed = self.members.changed() => match changed {
                        Ok(()) => break,
                        Err(_nobody_tells) => return,
                    },
                    Some(()) = self.links.next() => {}
                }
            }
        }
    }

    /// Opens a client for everybody who is new. Who has left is closed by being left out.
    fn follow(&mut self) {
        let view = Arc::clone(&self.members.borrow_and_update());
        let before = self.peers.load_full();
        let mut clients = HashMap::new();
        for member in view.members() {
            // A collector of upstream has an inventory of its own.
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
                tracing::warn!(%member, %error, "it has no address at which it could be asked");
                None
            }
        }
    }
}
