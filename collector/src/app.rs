//! The composition root: builds, starts and stops a collector from a configuration.
//!
//! [`build`] binds every port, and opens and reads the stores. Meanwhile the admin listener answers the probes, and all other ports
//! refuse connections. [`App::spawn`] starts everything and makes the collector a member once its listeners accept.
//! [`Running::drain`] stops everything in reverse order. Only `providers` names concrete providers.

use std::{convert::Infallible, io, sync::Arc};

use rollcall_cluster::{Cluster, Keeper};
use rollcall_domain::membership::Member;
use rollcall_etcd as etcd;
use rollcall_metrics::Metrics;
use rollcall_runtime::{Clock, Policy, TaskSet};
use rollcall_server::{self as server, face::Dispatch};
use rollcall_service::{
    self as service, Foundation, Services, Workers,
    events::{Feed, Recorder},
    progress::Progress,
};
use rollcall_skywalking::remote::sender::Clients;
use rollcall_storage::{self as storage, Opened};
use tracing::info;

use crate::config::Config;

mod backup;
mod console;
mod edge;
mod listeners;
mod members;
mod nacos;
mod process;
mod providers;
mod remote;
mod restore;
mod running;
mod serve;
mod store;
mod timeline;
mod tls;
mod use_cases;
mod workers;

use edge::Edge;
pub use listeners::Addresses;
use listeners::Listeners;
pub(crate) use listeners::same_address;
use nacos::Nacos;
pub(crate) use nacos::users;
pub use process::Process;
pub use running::Running;
use serve::Builder;
use store::Store;
use tls::Tls;
pub use tls::files as certificate_files;
use use_cases::use_cases;

/// Why a collector could not be built or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be opened.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A shared store did not become available in time.
    #[error(
        "{store} is unavailable ({reason}), and a collector does not start without its store: start it again once etcd \
         answers, or correct the endpoints (SW_STORAGE_ETCD_ENDPOINTS, SW_CLUSTER_ETCD_ENDPOINTS)"
    )]
    StoreUnavailable {
        /// Its location.
        store: String,
        /// The last cause.
        reason: String,
    },
    /// A shared store has no space left, and the start must write to it.
    #[error(
        "{store} accepts no writes, and this start has to create or upgrade the store: {reason}"
    )]
    StoreFull {
        /// Its location.
        store: String,
        /// The cause, and what to do.
        reason: String,
    },
    /// The certificate of this collector is unusable.
    #[error("TLS is enabled and cannot be served: {0}")]
    Tls(#[from] rollcall_tls::Error),
    /// The configuration of etcd is unusable.
    #[error(transparent)]
    Etcd(#[from] etcd::ConfigError),
    /// The stored data could not be restored.
    #[error(transparent)]
    Restore(#[from] restore::Error),
    /// Two faces have the same address under two names.
    #[error("{} and {} are the same address, {address}: {advice}", hosts[0], hosts[1])]
    SameAddress {
        /// The keys of both hosts, with their values.
        hosts: [String; 2],
        /// The address.
        address: std::net::SocketAddr,
        /// What to do.
        advice: &'static str,
    },
    /// The port of a face could not be bound.
    #[error("{}", listeners::advice::advice(face, source))]
    Face {
        /// Its module and provider.
        face: &'static str,
        /// Why.
        source: server::BindError,
    },
    /// A port for Nacos clients could not be bound.
    #[error("{}", listeners::advice::for_nacos(key, source))]
    Nacos {
        /// The variable that sets the port.
        key: &'static str,
        /// Why.
        source: server::BindError,
    },
    /// The catalog could not be opened.
    #[error(transparent)]
    Catalog(#[from] nacos::OpenError),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// A collector that is ready to be spawned: its store is read and its listeners are bound.
#[derive(Debug)]
pub struct App {
    config: Config,
    clock: Clock,
    cluster: Box<dyn Cluster>,
    keeper: Option<Keeper>,
    member: Member,
    services: Services,
    workers: (Workers, Option<Recorder>),
    watcher: Option<Box<dyn storage::Watcher>>,
    clients: Option<Clients>,
    nacos: Option<Nacos>,
    listeners: Listeners,
    edge: Edge,
}

/// Binds the ports, and opens and reads the stores. Meanwhile the admin listener reports the progress.
///
/// # Errors
/// Returns the reason why the collector cannot start. Nothing was started.
pub async fn build(config: Config, process: Process) -> Result<App, Error> {
    let tls = Tls::load(&config).await?;
    let listeners = Listeners::bind(&config).await?;
    let clock = Clock::start();
    let edge = Edge::new(&config, &process, listeners.count(), tls);
    let Stores {
        store:
            Store {
                allocator,
                lessor,
                opened: Opened { storage, watcher },
                is_lost,
            },
        events: (events, recorder),
        nacos,
    } = open_stores(&config, clock, &listeners, &edge).await?;
    let (cluster, keeper) = providers::join_point(&config.cluster)?;
    let member = members::own(&config, listeners.addresses, clock.wall());
    let metrics = metrics(process);
    // Only members of a shared store forward registrations.
    let (owner, clients) = watcher
        .is_some()
        .then(|| {
            let link = (&config, edge.peers(&config));
            remote::owner(link, &member, &*cluster, clock, &metrics)
        })
        .unzip();
    let foundation = Foundation {
        clock,
        allocator,
        lessor,
        storage,
        is_lost,
        owner,
        metrics,
        events,
        own: Arc::clone(&member.address),
        members: cluster.view(),
    };
    let (services, workers) = service::build(&use_cases(&config, edge.suspect()), foundation);
    let limit = config.ui.max_application_metrics;
    let by_application = services.roster.by_application(limit);
    services.metrics.watch(by_application);
    services
        .readiness
        .unmet("starting", "the listeners do not accept yet");
    Ok(App {
        config,
        clock,
        cluster,
        keeper,
        member,
        services,
        workers: (workers, recorder),
        watcher,
        clients,
        nacos,
        listeners,
        edge,
    })
}

/// The metrics, including those of the process and its log.
fn metrics(process: Process) -> Metrics {
    let metrics = Metrics::new();
    metrics.watch(process.lost_lines);
    metrics.watch_process(process::Usage::new());
    metrics
}

/// The stores that were opened and read.
struct Stores {
    store: Store,
    events: (Feed, Option<Recorder>),
    nacos: Option<Nacos>,
}

/// Opens and reads the store, the events, and then the catalog, while the admin listener answers the probes.
async fn open_stores(
    config: &Config,
    clock: Clock,
    listeners: &Listeners,
    edge: &Edge,
) -> Result<Stores, Error> {
    let progress = Progress::default();
    let (faces, admin) = &listeners.admin;
    let starting = Dispatch::starting(rollcall_admin::starting(&progress, &config.ui.context_path));
    let opening = async {
        let nacos = nacos::Prepared::new(&config.nacos, listeners.addresses.nacos).await?;
        // The store is opened first: from then on, no other collector uses its directory, which also contains the events and the
        // catalog.
        let opened = store::open(config, clock).await?;
        let reading = Store::read(config, clock, opened, progress);
        let (store, events) = tokio::join!(reading, timeline::open(config, clock));
        let store = store?;
        let nacos = match nacos {
            Some(prepared) => {
                let own = members::own(config, listeners.addresses, clock.wall()).address;
                Some(prepared.open(config, own, clock).await?)
            }
            None => None,
        };
        Ok(Stores {
            store,
            events,
            nacos,
        })
    };
    info!(address = %admin.address(), "answering probes while the store is read");
    admin
        .serve_during(starting, edge.starting(*faces), opening)
        .await
}

// === impl App ===

impl App {
    /// The addresses of the faces.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.listeners.addresses
    }

    /// Starts everything, and makes the collector a member once its listeners accept.
    ///
    /// # Errors
    /// The system refused a thread, or another process bound a port meanwhile.
    pub fn spawn(self) -> Result<Running, Error> {
        let everything = TaskSet::new();
        let [watching, writing, loops, membership, serving] = [(); 5].map(|()| everything.stage());
        let Self {
            config,
            clock,
            cluster,
            keeper,
            mut member,
            services,
            workers,
            watcher,
            clients,
            nacos,
            listeners,
            edge,
        } = self;
        let (stats, listeners) = (listeners.stats(), listeners.listen()?);
        let naming = workers::spawn(workers, clients, &services, &writing, &loops)?;
        workers::watch(watcher, &services, &watching);
        edge.expose(stats, &services.metrics);
        tls::start(edge.tls(), clock, &services, &loops);
        let stages = [&serving, &loops, &writing];
        let among = (&services, cluster.view());
        let nacos = nacos.map(|it| it.spawn(&config, clock, among, stages));
        let console = console::spawn(&config, &services, nacos.as_ref(), [&loops, &serving])?;
        let builder = Builder {
            console: &console,
            nacos: nacos.as_ref(),
            config: &config,
            services: &services,
            edge: &edge,
            serving: &serving,
        };
        for (faces, listener) in listeners {
            let name = format!("listener {}", listener.address());
            let service = builder.service(faces);
            let (terms, stop) = (edge.serving(faces).linked(&services.links), serving.token());
            let serve = listener.serve(service, terms, stop);
            serving.spawn(name, Policy::default(), serve);
        }
        member.since = clock.wall();
        let session = cluster.join(member);
        workers::keep_member(keeper, &membership);
        members::follow(naming, cluster.health(), &services.readiness, &loops);
        services.readiness.met("starting");
        let grace = config.server.shutdown_grace;
        Ok(Running {
            clock,
            services,
            session,
            everything,
            membership,
            serving,
            loops,
            writing,
            watching,
            catalog: nacos.map(|nacos| nacos.catalog),
            grace,
        })
    }
}

async fn never_fails(task: impl Future<Output = ()>) -> Result<(), Infallible> {
    task.await;
    Ok(())
}
