//! Catalogs that exchange their instances through a board in memory, with paused time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_domain::{
    Timestamp,
    catalog::{ConnectionEnd, Endpoint, EventKind, Kind, Publisher, Registration, ServiceKey},
    membership::{Member, State, View},
};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Beat, Catalog, Config, Connection, Event, EventSink, open,
    store::{Board, Memory, Peers, Stores},
    testing::TestClock,
};

mod beats;
mod departures;
mod exchange;
mod overrides;
mod space;

/// The collectors of a cluster.
struct Cluster {
    board: Board,
    clock: TestClock,
    view: watch::Sender<Arc<View>>,
    /// Since when all members serve, as the others see it.
    serving_since: Timestamp,
    nodes: BTreeMap<&'static str, Node>,
}

/// A collector.
struct Node {
    catalog: Catalog,
    events: Events,
    cancel: CancellationToken,
    workers: JoinSet<Result<(), crate::store::Error>>,
}

#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl EventSink for Events {
    fn record(&self, event: Event) {
        self.0.lock().push(event);
    }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).unwrap()
}

fn endpoint(ip: &str) -> Endpoint {
    Endpoint::new(ip, 80, "").unwrap()
}

fn registration(ip: &str) -> Registration {
    Registration::new(endpoint(ip), Kind::Ephemeral)
}

fn member(address: &str, since: Timestamp) -> Member {
    Member {
        address: address.into(),
        agent_grpc: None,
        agent_jetty: None,
        ui: None,
        version: None,
        state: State::Serving,
        since,
    }
}

impl Cluster {
    async fn start(names: &[&'static str]) -> Self {
        let mut cluster = Self {
            board: Board::new(""),
            clock: TestClock::start(),
            view: watch::Sender::default(),
            serving_since: Timestamp::from_millis(0),
            nodes: BTreeMap::new(),
        };
        for name in names {
            cluster.join(name, Config::default()).await;
        }
        settled().await;
        cluster
    }

    /// Adds a member, which waits for no client.
    async fn join(&mut self, name: &'static str, config: Config) {
        let config = Config {
            warm_up: Duration::ZERO,
            ..config
        };
        self.join_with(name, config).await;
    }

    async fn join_with(&mut self, name: &'static str, config: Config) {
        let memory = Arc::new(Memory::default());
        let stores = Stores {
            roster: Some(Arc::clone(&memory) as _),
            peers: Some(Peers {
                own: name.into(),
                exchange: Arc::new(self.board.of(name)),
            }),
            ..Stores::from(Memory::clone(&memory))
        };
        let events = Events::default();
        let (catalog, workers) = open(
            config,
            Arc::new(self.clock),
            stores,
            Arc::new(events.clone()),
        )
        .unwrap();
        let cancel = CancellationToken::new();
        let mut running = JoinSet::new();
        let workers = workers.among(self.view.subscribe());
        running.spawn(workers.run(cancel.clone()));
        let node = Node {
            catalog,
            events,
            cancel,
            workers: running,
        };
        self.nodes.insert(name, node);
        self.show();
    }

    /// Publishes the present members.
    fn show(&self) {
        let members = self
            .nodes
            .keys()
            .map(|name| member(name, self.serving_since));
        self.view.send_replace(Arc::new(View::new(members)));
    }

    /// Ends a member as a SIGKILL does. The others notice at once.
    fn kill(&mut self, name: &'static str) {
        self.nodes.remove(name);
        self.show();
    }

    fn catalog(&self, name: &str) -> &Catalog {
        &self.nodes[name].catalog
    }

    fn connect(&self, name: &str) -> Publisher {
        let connection = Connection {
            client_id: format!("{name}-client").into(),
            ip: "127.0.0.1".into(),
            port: 4000,
            client_ip: "127.0.0.1".into(),
            version: "Nacos-Java-Client:v2.5.1".into(),
            app: "unknown".into(),
            namespace: "public".into(),
            labels: [].into(),
            opened_at: Timestamp::from_millis(0),
        };
        Publisher::Connection(self.catalog(name).connect(connection).unwrap())
    }

    fn register(&self, name: &str, ip: &str) {
        let registered = registration(ip);
        let publisher = registered.endpoint.publisher();
        self.register_by(name, &publisher, registered);
    }

    fn register_by(&self, name: &str, publisher: &Publisher, registered: Registration) {
        let catalog = self.catalog(name);
        catalog
            .register_ephemeral(publisher, &key("a"), registered)
            .unwrap();
    }

    fn beat(&self, name: &str, ip: &str) -> Beat {
        let beaten = self.catalog(name).beat(&key("a"), &endpoint(ip), None);
        beaten.unwrap()
    }

    /// The instances that a member lists, with their publishers; an unhealthy one is marked.
    fn list(&self, name: &str) -> Vec<String> {
        let instances = self.catalog(name).instances(&key("a")).unwrap_or_default();
        let text = |instance: rollcall_domain::catalog::Instance| {
            let mark = if instance.registered.healthy { "" } else { "!" };
            let ip = &instance.registered.endpoint.ip;
            format!("{mark}{ip} {}", instance.publisher)
        };
        instances.into_iter().map(text).collect()
    }

    fn events(&self, name: &str) -> Vec<EventKind> {
        let events = self.nodes[name].events.0.lock();
        events.iter().map(|event| event.event.what).collect()
    }
}

/// Waits until everything that was published is applied.
async fn settled() {
    sleep(Duration::from_millis(200)).await;
}
