//! The Nacos faces and the catalog behind them.

use std::{io, net::SocketAddr, panic::resume_unwind, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use rollcall_catalog::{self as catalog, Catalog, Exposition, Range, Workers, store};
use rollcall_domain::{Moment, Timestamp, catalog::Limits, membership::View};
use rollcall_nacos::{
    auth::{Auth, User},
    grpc, http,
    udp::Push,
};
use rollcall_runtime::{Clock, Policy, TaskSet};
use rollcall_service::Services;
use tokio::{net::UdpSocket, runtime::Handle, sync::watch, task};

use self::{access::authentication, events::Events};
use super::{listeners, members, never_fails, providers};
use crate::config::{self, Config};

mod access;
pub(crate) use access::users;
mod departures;
mod events;

/// The time limit for the set-up of a gRPC stream.
const SETUP: Duration = Duration::from_secs(10);
/// The pause before a push without an acknowledgement is repeated.
const PAUSE: Duration = Duration::from_secs(1);

/// The readiness condition of the catalog's store.
const CATALOG: &str = "catalog";
/// The readiness condition that no switch denies service to clients.
const SWITCHES: &str = "switches";

/// Why the catalog could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store of the catalog failed.
    #[error("the catalog of Nacos services cannot be opened")]
    Store(#[from] store::Error),
    /// The file of users is unusable.
    #[error("the file of Nacos users ({path}, SW_NACOS_USERS_FILE) cannot be read: {reason}", path = path.display())]
    Users {
        /// The path of the file.
        path: PathBuf,
        /// Why the file is unusable.
        reason: String,
    },
    /// The secret that signs tokens is unusable.
    #[error("the secret that signs tokens (SW_NACOS_TOKEN_SECRET) cannot be used: {0}")]
    Secret(String),
    /// The UDP port cannot be bound.
    #[error("{}", listeners::advice::for_datagrams(*port, source))]
    Udp {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
}

/// The dependencies of the faces that do not need the store: their ports and their users.
#[derive(Debug)]
pub(super) struct Prepared {
    addresses: listeners::Nacos,
    socket: UdpSocket,
    users: Vec<User>,
}

/// An opened catalog, and the dependencies of its faces.
#[derive(Debug)]
pub(super) struct Nacos {
    catalog: Catalog,
    workers: Workers,
    events: Events,
    auth: Auth,
    socket: UdpSocket,
    addresses: listeners::Nacos,
}

/// The running faces.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) catalog: Catalog,
    pub(super) http: Router,
    pub(super) grpc: Router,
}

/// The collector's clock, for the catalog.
#[derive(Debug)]
struct CatalogClock(Clock);

impl catalog::Clock for CatalogClock {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn wall(&self) -> Timestamp {
        self.0.wall()
    }
}

impl Prepared {
    /// Binds the UDP port and reads the users. Runs before the store is read, which may take minutes, so that mistakes show early.
    /// `None` if the faces are off.
    pub(super) async fn new(
        config: &config::Nacos,
        addresses: Option<listeners::Nacos>,
    ) -> Result<Option<Self>, OpenError> {
        let Some(addresses) = addresses else {
            return Ok(None);
        };
        let socket = bind_udp(config, addresses).await?;
        let config = config.clone();
        let users = blocking(move || users(&config)).await?;
        Ok(Some(Self {
            addresses,
            socket,
            users,
        }))
    }

    /// Opens the catalog.
    pub(super) async fn open(
        self,
        config: &Config,
        own: Arc<str>,
        clock: Clock,
    ) -> Result<Nacos, OpenError> {
        let Self {
            addresses,
            socket,
            users,
        } = self;
        let config = config.clone();
        let open = move || {
            let stores = providers::open_catalog(&config, own, &Handle::current())?;
            let auth = authentication(&config.nacos, users, &*stores.durable)?;
            let clock = Arc::new(CatalogClock(clock));
            let events = Events::default();
            let sink = Arc::new(events.clone());
            let opened = catalog::open(limits(&config.nacos), clock, stores, sink)?;
            Ok::<_, OpenError>((auth, events, opened))
        };
        let (auth, events, (catalog, workers)) = blocking(open).await?;
        Ok(Nacos {
            catalog,
            workers,
            events,
            auth,
            socket,
            addresses,
        })
    }
}

/// Runs `work`, which blocks, on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| resume_unwind(panic.into_panic()))
}

impl Nacos {
    /// Starts the workers of the faces, and builds the faces. The faces stop with `serving`, the pushes with `loops`, and the
    /// catalog with `writing`.
    pub(super) fn spawn(
        self,
        config: &Config,
        clock: Clock,
        (services, members): (&Services, watch::Receiver<Arc<View>>),
        [serving, loops, writing]: [&TaskSet; 3],
    ) -> Running {
        let Self {
            catalog,
            workers,
            events,
            auth,
            socket,
            addresses,
        } = self;
        events.pass_to(services.events.clone());
        services.metrics.watch(Exposition(catalog.clone()));
        let by_service = catalog.by_service(config.ui.max_service_metrics);
        services.metrics.watch(by_service);
        let metrics = grpc::Metrics::new(&services.metrics);
        let push = Push::new(catalog.clone(), Some(socket));
        let calls = http::Metrics::new(&services.metrics);
        services.metrics.extend(|registry| {
            metrics.register(registry);
            calls.register(registry);
            push.register(registry);
        });
        let face = grpc::Face::new(
            face(&config.nacos, addresses),
            catalog.clone(),
            auth.clone(),
            services.work.clone(),
            metrics,
            serving.token(),
        );
        let settings = http_settings(&config.nacos, addresses);
        let peer = || rollcall_link::current(|seen| seen.remote().ip());
        let http = http::router(catalog.clone(), auth, push.clone(), calls, settings, peer);
        let grpc = face.router(move |_extensions| {
            rollcall_link::current(|seen| grpc::Transport {
                number: seen.connection().get(),
                remote: seen.remote(),
                accepted: seen.since(|| clock.wall()).millis(),
            })
        });
        let workers = workers.among(members).run(writing.token());
        writing.spawn("catalog", Policy::default(), workers);
        report_problems(&catalog, services, loops);
        loops.spawn(
            "datagrams",
            Policy::default(),
            never_fails(push.run(loops.token())),
        );
        serving.spawn("gRPC clients", Policy::default(), never_fails(face.run()));
        Running {
            catalog,
            http,
            grpc,
        }
    }
}

/// Degrades the collector while the catalog reports a problem.
fn report_problems(catalog: &Catalog, services: &Services, loops: &TaskSet) {
    if let Some(reason) = &*catalog.switches_problem().borrow() {
        tracing::warn!(%reason, "switches deny service to Nacos clients");
    }
    for (condition, problem) in [
        (CATALOG, catalog.store_problem()),
        (SWITCHES, catalog.switches_problem()),
    ] {
        let report = members::report(
            condition,
            problem,
            services.readiness.clone(),
            loops.token(),
        );
        loops.spawn(condition, Policy::default(), never_fails(report));
    }
}

fn http_settings(config: &config::Nacos, addresses: listeners::Nacos) -> http::Settings {
    http::Settings {
        context_path: match &*config.context_path {
            "/" => String::new(),
            path => path.to_owned(),
        },
        max_body_size: config.max_message_size,
        max_metadata: config.max_metadata,
        host: config.advertised_host.clone(),
        port: addresses.http.port(),
    }
}

fn limits(config: &config::Nacos) -> catalog::Config {
    catalog::Config {
        limits: Limits {
            services: config.max_services,
            services_per_peer: config.services_per_peer(),
            instances_per_service: config.max_instances_per_service,
            instances_per_connection: config.max_instances_per_connection,
            bytes: config.memory,
            bytes_per_peer: config.bytes_per_peer(),
            metadata_bytes: config.max_metadata,
            subscriptions: config.max_subscriptions,
            namespaces: config.max_namespaces,
            connections: config.max_connections,
        },
        push_window: config.push_window,
        body_cache: config.body_cache,
        warm_up: config.warm_up,
        always_warm_up: config.always_warm_up,
        member_grace: config.member_grace,
        write_queue: config.write_queue,
        journal: config.journal,
        override_term: config.override_term,
        empty_service_after: config.empty_service_term,
        probe_ranges: probe_ranges(&config.probe_ranges),
        max_probes: config.max_probes,
        ..catalog::Config::default()
    }
}

fn probe_ranges(texts: &[String]) -> Vec<Range> {
    let ranges = texts.iter().flat_map(|text| match &**text {
        config::PRIVATE => Range::private(),
        range => range.parse().into_iter().collect(),
    });
    ranges.collect()
}

fn face(config: &config::Nacos, addresses: listeners::Nacos) -> grpc::Config {
    let own = addresses.grpc.ip();
    let own_ip = if own.is_unspecified() {
        config.advertised_host.clone()
    } else {
        own.to_string()
    };
    grpc::Config {
        own_ip,
        max_message_size: config.max_message_size,
        max_connections: config.max_connections,
        max_subscriptions: config.max_subscriptions_per_connection,
        max_patterns: config.max_patterns_per_connection,
        max_matches: config.max_matches,
        patience: grpc::Patience {
            setup: SETUP,
            idle: config.idle_after,
            probe: config.detection_timeout,
            pushes: grpc::Retries {
                after: config.push_timeout,
                pause: PAUSE,
                most: u32::try_from(config.push_retries).unwrap_or(u32::MAX),
            },
        },
    }
}

async fn bind_udp(
    config: &config::Nacos,
    addresses: listeners::Nacos,
) -> Result<UdpSocket, OpenError> {
    let derived = match config.listen.port {
        0 => 0,
        _ => addresses.http.port(),
    };
    let port = config.udp_port.unwrap_or(derived);
    let bound = UdpSocket::bind(SocketAddr::new(addresses.http.ip(), port)).await;
    bound.map_err(|source| OpenError::Udp { port, source })
}
