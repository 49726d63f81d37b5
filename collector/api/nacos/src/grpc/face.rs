//! The state that all connections of the face share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_catalog::{Body, Catalog, Encoded, Error, Form, Outbox, Subscription};
use rollcall_domain::catalog::{ConnectionEnd, Selection, ServiceKey, ServiceView};
use rollcall_limits::Work;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer,
    connection::{Client, Connection, Patience, Session, Tick},
    connections::Connections,
    frame::Frame,
    metrics::Metrics,
    request::Setup,
    service_info,
    transport::Transport,
};
use crate::auth::Auth;

mod patterns;

pub(super) use patterns::Outrun;

/// The interval of the checks of silent clients and unanswered pushes, and the pause between two listings for stale watches.
const TICK: Duration = Duration::from_millis(500);
/// A check that comes this many milliseconds after the previous one shows that this server stalled.
const LATE: u64 = 1_500;
/// The encoding of a service in this face, a key of the catalog's cache.
const FORM: Form = Form(128);
/// The most characters that are kept of a text which a client reports about itself.
const MAX_LABEL: usize = 128;

/// Limits of the face.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of this server that messages carry.
    pub own_ip: String,
    /// The largest message, in bytes.
    pub max_message_size: usize,
    /// The most concurrent streams.
    pub max_connections: usize,
    /// Services that one connection may subscribe to.
    pub max_subscriptions: usize,
    /// Patterns that one connection may watch.
    pub max_patterns: usize,
    /// Services that may match a pattern when a client begins to watch it.
    pub max_matches: usize,
    /// The time limits of a connection.
    pub patience: Patience,
}

/// The face: its connections, and the catalog that they call.
#[derive(Debug)]
pub struct Face {
    pub(super) config: Config,
    pub(super) catalog: Catalog,
    pub(super) auth: Auth,
    /// Runs the decoding of large requests, and limits its memory.
    pub(super) work: Work,
    pub(super) metrics: Metrics,
    pub(super) connections: Connections,
    /// Connections that watch patterns.
    watchers: Mutex<Vec<Arc<Connection>>>,
    /// Wakes the task that refreshes stale watches.
    stale: Notify,
    /// The number of the next message that is acknowledged.
    numbers: AtomicU64,
    start: Instant,
    /// Cancelled when this server stops.
    pub(super) stop: CancellationToken,
}

impl Face {
    /// A face of this catalog. Its streams end with `stop`.
    #[must_use]
    pub fn new(
        config: Config,
        catalog: Catalog,
        auth: Auth,
        work: Work,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Connections::new(config.max_connections),
            config,
            catalog,
            auth,
            work,
            metrics,
            watchers: Mutex::default(),
            stale: Notify::new(),
            numbers: AtomicU64::new(0),
            start: Instant::now(),
            stop,
        })
    }

    /// Detects silent clients, repeats unanswered pushes and reports changes to watches, until this server stops.
    pub async fn run(self: Arc<Self>) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.tick() => {}
            () = self.report_changes() => {}
            () = self.refresh_watches() => {}
        }
    }

    async fn tick(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut checked, mut resumed) = (self.now(), 0);
        loop {
            ticks.tick().await;
            let now = self.now();
            if now.saturating_sub(checked) > LATE {
                resumed = now;
            }
            self.check_deadlines(Tick { now, resumed });
            checked = self.now();
        }
    }

    /// Milliseconds on the monotonic clock.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A number for a message that is acknowledged.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed).wrapping_add(1)
    }

    pub(super) fn own_ip(&self) -> &str {
        &self.config.own_ip
    }

    /// Opens a connection for a stream.
    ///
    /// # Errors
    /// Returns a text that names the limit which is reached.
    pub(super) fn open(&self, transport: Transport) -> Result<Arc<Connection>, String> {
        let retries = self.config.patience.pushes;
        let opened = self.connections.add(transport, retries, self.now());
        opened.map_err(|full| {
            let most = full.most;
            format!("the limit of connections is reached (nacos.default.max_connections = {most})")
        })
    }

    /// Registers a connection in the catalog.
    ///
    /// # Errors
    /// Returns the reason why the catalog refuses it.
    pub(super) fn announce(
        &self,
        connection: &Connection,
        setup: &Setup<'_>,
        client_ip: &str,
    ) -> Result<Session, String> {
        let labels = setup.labels.as_ref();
        let client = Client {
            version: cut(&setup.client_version),
            app: cut(labels.map_or("", |labels| &labels.app)),
            module: cut(labels.map_or("", |labels| &labels.module)),
        };
        let transport = connection.transport();
        let ip = transport.remote.ip().to_canonical().to_string();
        let described = rollcall_catalog::Connection {
            client_id: connection.text().into(),
            ip: ip.into(),
            port: transport.remote.port(),
            client_ip: cut(client_ip).into(),
            version: client.version.as_str().into(),
            app: client.app.as_str().into(),
            namespace: cut(&setup.tenant).into(),
            labels: [
                ("AppName".into(), client.app.as_str().into()),
                ("module".into(), client.module.as_str().into()),
            ]
            .into(),
            opened_at: rollcall_domain::Timestamp::from_millis(transport.accepted),
        };
        let id = self.catalog.connect(described);
        let id = id.map_err(|error| error.to_string())?;
        tracing::debug!(connection = connection.text(), client = ?client, "connection set up");
        Ok(Session {
            id,
            client,
            outbox: Outbox::default(),
        })
    }

    /// Handles the end of a connection: its instances end with it, unless this server stops.
    pub(super) fn close(&self, connection: &Arc<Connection>) {
        self.connections.remove(connection);
        self.watchers
            .lock()
            .retain(|watcher| !Arc::ptr_eq(watcher, connection));
        let Some(reason) = connection.ended() else {
            return;
        };
        self.metrics.closed(reason);
        let Some(session) = connection.session() else {
            return;
        };
        tracing::debug!(connection = connection.text(), %reason, "connection ended");
        // A client that leaves because the server stops keeps its instances, however its connection ends.
        let end = if self.stop.is_cancelled() {
            ConnectionEnd::CollectorStops
        } else {
            reason.evidence()
        };
        self.catalog.connection_closed(session.id, end);
    }

    /// The push of a subscription; `None` if its subscriber has the current state.
    pub(super) fn push(
        &self,
        connection: &Connection,
        subscription: &Arc<Subscription>,
    ) -> Option<Frame> {
        if self.stop.is_cancelled() {
            return None;
        }
        let pushed = self
            .catalog
            .push(subscription, Selection::default(), FORM, encode);
        let body = match pushed {
            Ok(body) => body?,
            Err(error) => {
                tracing::debug!(connection = connection.text(), %error, "push postponed");
                connection.postpone(Arc::clone(subscription));
                return None;
            }
        };
        let number = self.number();
        let service = &subscription.service;
        let now = self.now();
        connection.with_acks(|acks| {
            acks.sent(
                service,
                Arc::clone(subscription),
                number,
                body.revision,
                now,
            );
        });
        subscription.sent(body.revision);
        self.metrics.pushed();
        let stamp = millis(body.stamp);
        Some(answer::notify(self.own_ip(), number, stamp, body.tail))
    }

    /// The encoded list of a service for `selection`, and the time for the answer.
    pub(super) fn body(
        &self,
        service: &ServiceKey,
        selection: &Selection,
    ) -> Result<(Body, u64), Error> {
        let body = self.catalog.body(service, selection, FORM, encode)?;
        let stamp = millis(body.stamp);
        Ok((body, stamp))
    }

    fn check_deadlines(&self, tick: Tick) {
        let mut lapsed = Vec::new();
        self.connections.for_each(|connection| {
            let overdue = connection.check_deadlines(&self.config.patience, tick);
            if overdue.pushes != Default::default() {
                lapsed.push(overdue.pushes);
            }
        });
        for lapsed in lapsed {
            self.metrics.lapsed(lapsed);
        }
    }
}

fn encode(view: &ServiceView) -> Encoded {
    Encoded {
        tail: service_info::encode(view).into(),
        ..Encoded::default()
    }
}

/// The first characters of a text that a client reports.
fn cut(text: &str) -> String {
    text.chars().take(MAX_LABEL).collect()
}

fn millis(time: rollcall_domain::Timestamp) -> u64 {
    u64::try_from(time.millis()).unwrap_or(0)
}
