//! The limits and budgets that all listeners share, and the settings of each listener.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use rollcall_limits::Budget;
use rollcall_link::Links;
use rollcall_metrics::Metrics;
use rollcall_nacos as nacos;
use rollcall_server::{Budgets, Exposition, Limits, Queries, Room, Serving, Stats};
use rollcall_service::sweep::Suspect;
use rollcall_skywalking::grpc;
use rollcall_tls::Certificates;
use tokio::sync::Notify;
use tracing::warn;

use super::{Process, listeners::Faces, tls::Tls};
use crate::config::{self, ClusterProvider, Config, Mode};

/// The grace of the probe connections that were opened during the start.
const START_GRACE: Duration = Duration::from_millis(100);

/// The limits, the budgets and the room that all listeners share.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) room: Room,
    limits: Limits,
    budgets: Budgets,
    queries: Queries,
    streams: Arc<HashSet<&'static str>>,
    max_message_size: usize,
    /// The largest message of the Nacos faces.
    max_nacos_message_size: usize,
    /// `None` if TLS is not enabled.
    tls: Option<Tls>,
    /// Notified when the certificate files are to be read again.
    reload: Arc<Notify>,
    grace: Duration,
}

impl Edge {
    /// The limits of the configuration, for this many listeners. Warns if the process may open fewer files than the limits need.
    pub(super) fn new(
        config: &Config,
        process: &Process,
        listeners: usize,
        tls: Option<Tls>,
    ) -> Self {
        let config::Server {
            limits,
            max_connections_per_peer,
            max_connection_age,
            shutdown_grace,
            ..
        } = &config.server;
        let room = Room::new(process.open_files, listeners, *max_connections_per_peer);
        if room.limit() < limits.max_connections {
            warn!(
                open_files = process.open_files,
                effective = room.limit(),
                "the limit on open files leaves room for fewer connections than server.default.max_connections ({}): raise \
                 it (ulimit -Hn, LimitNOFILE), or lower the key",
                limits.max_connections
            );
        }
        let is_cluster = config.cluster.provider != ClusterProvider::Standalone;
        Self {
            limits: Limits {
                max_connection_age: max_connection_age.resolve(is_cluster),
                max_connections: limits.max_connections.min(room.limit()),
                ..limits.clone()
            },
            room,
            budgets: Budgets {
                requests: Budget::with_largest(
                    "requests",
                    config.server.inbound_memory,
                    largest_request(config),
                ),
                answers: Budget::with_largest(
                    "answers",
                    config.server.outbound_memory,
                    config.ui.max_page_size,
                ),
                waiting: Budgets::waiting(config.server.outbound_memory),
                connections: Budget::new("connections", config.server.connection_memory),
            },
            queries: Queries::default(),
            streams: Arc::new(grpc::streams().chain([nacos::grpc::STREAM]).collect()),
            max_message_size: config
                .agent_grpc
                .max_message_size
                .max(grpc::MAX_REMOTE_MESSAGE_SIZE),
            max_nacos_message_size: config.nacos.max_message_size,
            tls,
            reload: Arc::clone(&process.reload),
            grace: *shutdown_grace,
        }
    }

    /// The settings of a listener with these faces.
    pub(super) fn serving(&self, faces: Faces) -> Serving {
        let mut limits = self.limits.clone();
        let mut max_message_size = self.max_message_size;
        if faces.nacos || faces.nacos_grpc {
            max_message_size = self.max_nacos_message_size;
        }
        if faces.nacos_grpc {
            // No maximum age, because the instances of a Nacos client end with its connection.
            limits.max_connection_age = None;
        }
        Serving {
            limits,
            grace: self.grace,
            room: self.room.clone(),
            security: self.tls.as_ref().and_then(|tls| tls.security(faces)),
            has_http: faces.naming || faces.agent_jetty || faces.ui || faces.nacos,
            has_large_answers: faces.nacos,
            budgets: self.budgets.clone(),
            max_message_size,
            streams: Arc::clone(&self.streams),
            links: Links::default(),
            queries: self.queries.clone(),
        }
    }

    /// Adds the counters of the listeners, and the budgets that they share, to the metrics.
    pub(super) fn expose(&self, listeners: Vec<(SocketAddr, Arc<Stats>)>, metrics: &Metrics) {
        metrics.watch(Exposition {
            listeners,
            room: self.room.clone(),
            max_connections: self.max_connections(),
        });
        metrics.watch(self.queries.clone());
        let Budgets {
            requests,
            answers,
            waiting,
            connections,
        } = &self.budgets;
        for budget in [requests, answers, waiting, connections] {
            metrics.show_budget(budget.clone());
        }
    }

    /// The TLS of the listeners, and the notification that the certificate files are to be read again.
    pub(super) fn tls(&self) -> (Option<&Tls>, Arc<Notify>) {
        (self.tls.as_ref(), Arc::clone(&self.reload))
    }

    /// The certificate for connections to other collectors; `None` for plain connections.
    pub(super) fn peers(&self, config: &Config) -> Option<Certificates> {
        let tls = self.tls.as_ref().filter(|_| config.remote.tls != Mode::Off);
        tls.map(|tls| tls.certificates.clone())
    }

    /// The budget of answers, which all listeners share.
    pub(super) fn answers(&self) -> &Budget {
        &self.budgets.answers
    }

    /// Returns a reason why this collector may itself be the cause of a mass silence: its listeners have no room.
    pub(super) fn suspect(&self) -> Suspect {
        let room = self.room.clone();
        let most = self.max_connections();
        Suspect::new(move || {
            let limit = most.min(room.limit());
            (room.taken() >= limit).then(|| {
                format!(
                    "all {limit} connections are taken (server.default.max_connections, or the limit on open files)"
                )
            })
        })
    }

    /// The settings of the admin listener until the store has been read.
    pub(super) fn starting(&self, faces: Faces) -> Serving {
        Serving {
            grace: START_GRACE,
            ..self.serving(faces)
        }
    }

    /// The limit of standing connections of one listener.
    pub(super) fn max_connections(&self) -> usize {
        self.limits.max_connections
    }
}

/// The largest body of a request that any face accepts, in bytes.
pub(super) fn largest_request(config: &Config) -> usize {
    let nacos = match config.nacos.is_on() {
        true => config.nacos.max_message_size,
        false => 0,
    };
    config
        .agent_grpc
        .max_message_size
        .max(config.agent_jetty.max_body_size)
        .max(nacos)
}
