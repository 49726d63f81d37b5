//! Push to 1.x subscribers over UDP.
//!
//! A client that polls with a port gets the list by push whenever it changes. All pushes come from one socket with a fixed port,
//! which firewalls can admit. `ledger` repeats pushes that are not acknowledged. Every client still polls, so a push only delivers
//! a change earlier.
//!
//! Subscriptions, their limit and their term belong to the catalog.

use std::{
    fmt,
    hash::{Hash, Hasher},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use rollcall_catalog::{Catalog, Error, Form, Interest, Outbox, Subscription};
use rollcall_domain::catalog::{Rules, Selection, Subscriber};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

mod ledger;
mod metrics;
mod packet;

use ledger::{Due, Ledger};
use metrics::Metrics;

pub use ledger::Counts;

use crate::{agent::Agent, render::v1};

/// The keys of the catalog's cache for lists that name services without their group, and with it.
const BARE: Form = Form(64);
const GROUPED: Form = Form(65);
/// The largest acknowledgement that is read. A client's dump of its cache may be longer, but this server never requests it.
const MAX_ACK: usize = 2048;
/// The most acknowledgements that are read before overdue pushes are repeated.
const MOST_WAITING: usize = 1024;
/// The pause after an error of the socket.
const PAUSE: Duration = Duration::from_millis(100);
/// Interval of the removal of addresses that stopped answering long ago.
const SWEEP: Duration = Duration::from_secs(60);

/// Pushes to subscribers with a port. Cheap to clone.
#[derive(Clone)]
pub struct Push(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    socket: Option<UdpSocket>,
    outbox: Outbox,
    ledger: Mutex<Ledger<Key>>,
    metrics: Metrics,
}

/// A subscription, compared by identity, so that a replacement is a different one.
#[derive(Clone)]
struct Key(Arc<Subscription>);

// === impl Push ===

impl Push {
    /// Pushes from this socket. Without a socket it pushes nothing, and all clients poll.
    #[must_use]
    pub fn new(catalog: Catalog, socket: Option<UdpSocket>) -> Self {
        let seed = u64::try_from(catalog.wall().millis()).unwrap_or_default();
        Self(Arc::new(Inner {
            catalog,
            socket,
            outbox: Outbox::default(),
            ledger: Mutex::new(Ledger::new(seed)),
            metrics: Metrics::default(),
        }))
    }

    /// Adds its counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    /// The address that sends the pushes.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.socket.as_ref()?.local_addr().ok()
    }

    /// Totals since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.ledger.lock().counts()
    }

    /// Addresses whose last push failed.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.0.ledger.lock().failing()
    }

    /// Subscribes the client at `address`. Returns `None` if the client has to poll, because there is no socket or its pushes fail.
    pub(crate) fn subscribe<'a>(
        &self,
        interest: impl FnOnce(Subscriber) -> Interest<'a>,
        address: SocketAddr,
    ) -> Result<Option<Arc<Subscription>>, Error> {
        if self.0.socket.is_none() {
            return Ok(None);
        }
        let subscriber = Subscriber::Udp {
            ip: address.ip().to_string().into(),
            port: address.port(),
        };
        let subscription = self
            .0
            .catalog
            .subscribe(interest(subscriber), &self.0.outbox)?;
        let is_silenced = self.0.ledger.lock().is_silenced(address, Instant::now());
        Ok((!is_silenced).then_some(subscription))
    }

    /// Pushes until it is cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        let Some(socket) = &self.0.socket else {
            return cancel.cancelled().await;
        };
        let mut ack = [0; MAX_ACK];
        let mut sweep = tokio::time::interval(SWEEP);
        let mut shown = Counts::default();
        loop {
            let (deadline, counts, failing) = {
                let ledger = self.0.ledger.lock();
                (ledger.next_deadline(), ledger.counts(), ledger.failing())
            };
            self.0.metrics.show(shown, counts, failing);
            shown = counts;
            // Not biased: a flood of datagrams must not starve pushes, and many pushes must not starve acknowledgements.
            tokio::select! {
                () = cancel.cancelled() => return,
                due = self.0.outbox.next() => self.push(socket, due).await,
                received = socket.recv_from(&mut ack) => self.received(received, &ack).await,
                () = until(deadline) => {
                    self.read_waiting(socket, &mut ack);
                    self.overdue(socket).await;
                }
                _ = sweep.tick() => self.0.ledger.lock().sweep(Instant::now()),
            }
        }
    }

    async fn push(&self, socket: &UdpSocket, due: Arc<Subscription>) {
        let Some(address) = address(&due) else {
            return;
        };
        let (form, is_grouped) = form(&due);
        let body = self.0.catalog.push(&due, selection(&due), form, |view| {
            packet::prepare(&v1::head(view, is_grouped))
        });
        let Ok(Some(body)) = body else {
            return;
        };
        let key = Key(Arc::clone(&due));
        let id = self.0.ledger.lock().push(&key, address, Instant::now());
        let Some(id) = id else {
            return;
        };
        if self.send(socket, address, &body, id).await {
            due.sent(body.revision);
        } else {
            self.0.ledger.lock().cancel(&key);
        }
    }

    /// Reads the waiting acknowledgements, up to a limit, before deadlines are judged. After a stall of this server, they may have
    /// arrived before the deadlines.
    fn read_waiting(&self, socket: &UdpSocket, ack: &mut [u8]) {
        for _ in 0..MOST_WAITING {
            let Ok((length, _from)) = socket.try_recv_from(ack) else {
                return;
            };
            self.acknowledged(ack.get(..length));
        }
    }

    /// Repeats overdue pushes with the current lists, or records them as failed.
    async fn overdue(&self, socket: &UdpSocket) {
        loop {
            let due = self.0.ledger.lock().due(Instant::now());
            let Key(subscription) = match due {
                Some(Due::Resend(key)) => key,
                Some(Due::Failed(key)) => {
                    debug!(subscriber = ?key.0.subscriber, "push not acknowledged");
                    continue;
                }
                None => return,
            };
            let Some(address) = address(&subscription).filter(|_| !subscription.is_ended()) else {
                continue;
            };
            let (form, is_grouped) = form(&subscription);
            let selection = selection(&subscription);
            let body = self
                .0
                .catalog
                .body(&subscription.service, &selection, form, |view| {
                    packet::prepare(&v1::head(view, is_grouped))
                });
            let Ok(body) = body else {
                continue;
            };
            let key = Key(Arc::clone(&subscription));
            let id = self.0.ledger.lock().resend(&key, address, Instant::now());
            if self.send(socket, address, &body, id).await {
                subscription.sent(body.revision);
            }
        }
    }

    /// Sends the list; returns whether it was sent. If it is too large or the system refuses it, the client gets it with its
    /// next poll.
    async fn send(
        &self,
        socket: &UdpSocket,
        address: SocketAddr,
        body: &rollcall_catalog::Body,
        id: u64,
    ) -> bool {
        let cache_millis = self.0.catalog.switches().push_cache_millis;
        let Some(datagram) = packet::push(body, cache_millis, id) else {
            debug!(%address, "list too large for a datagram");
            self.0.metrics.too_large();
            return false;
        };
        match socket.send_to(&datagram, address).await {
            Ok(_) => true,
            Err(error) => {
                debug!(%address, %error, "push not sent");
                false
            }
        }
    }

    fn acknowledged(&self, datagram: Option<&[u8]>) {
        if let Some(id) = datagram.and_then(packet::acknowledged) {
            self.0.ledger.lock().acknowledge(id);
        }
    }

    async fn received(&self, received: io::Result<(usize, SocketAddr)>, ack: &[u8]) {
        match received {
            Ok((length, _from)) => {
                self.acknowledged(ack.get(..length));
            }
            Err(error) => {
                debug!(%error, "no acknowledgement read");
                sleep(PAUSE).await;
            }
        }
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

fn address(subscription: &Subscription) -> Option<SocketAddr> {
    let Subscriber::Udp { ip, port } = &subscription.subscriber else {
        return None;
    };
    Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, *port))
}

fn form(subscription: &Subscription) -> (Form, bool) {
    if Agent::parse(&subscription.agent).wants_grouped_names() {
        (GROUPED, true)
    } else {
        (BARE, false)
    }
}

fn selection(subscription: &Subscription) -> Selection {
    Selection {
        clusters: subscription.clusters.clone(),
        rules: Rules::V1,
        ..Selection::default()
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

// === impl Key ===

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

#[cfg(test)]
mod tests;
