//! Collectors with an engine that coordinates their membership, and queries of their state.

use std::{net::SocketAddr, time::Duration};

use rollcall_tests::{
    PATIENCE,
    engine::{Engine, Etcd, Server, ZooKeeper},
    eventually,
    process::{Collector, Options},
};
use serde_json::Value;

/// The lease term: a collector that does not renew its lease for this time is no longer a member.
pub(crate) const TERM: Duration = Duration::from_secs(2);
/// An engine that coordinates the membership of collectors.
pub(crate) trait Coordinator: Engine {
    /// The options of a collector that joins through the engine at these comma-separated addresses.
    fn joined(options: Options, addresses: &str) -> Options;
}

impl Coordinator for Etcd {
    fn joined(options: Options, addresses: &str) -> Options {
        options
            .env("SW_CLUSTER", "etcd")
            .env("SW_CLUSTER_ETCD_ENDPOINTS", addresses)
            .env("SW_CLUSTER_ETCD_LEASE_TERM", format!("{}s", TERM.as_secs()))
    }
}

impl Coordinator for ZooKeeper {
    fn joined(options: Options, addresses: &str) -> Options {
        options
            .env("SW_CLUSTER", "zookeeper")
            .env("SW_CLUSTER_ZK_HOST_PORT", addresses)
            .env(
                "SW_CLUSTER_ZK_SESSION_TIMEOUT",
                TERM.as_millis().to_string(),
            )
    }
}

/// An engine, and a separate store that the collectors share and that stays available.
pub(crate) struct Cluster<E> {
    pub(crate) engine: Server<E>,
    pub(crate) store: Server<Etcd>,
}

impl<E: Coordinator> Cluster<E> {
    /// Starts the engine and the store.
    pub(crate) async fn start() -> Self {
        let (engine, store) = tokio::join!(Server::start(), Server::start());
        Self { engine, store }
    }

    /// The options of a collector that joins.
    pub(crate) fn options(&self) -> Options {
        self.options_through(&[self.engine.address()])
    }

    /// The options of a collector that joins through these addresses of the engine.
    pub(crate) fn options_through(&self, engine: &[SocketAddr]) -> Options {
        let options = Collector::options().env("SW_STORAGE", "etcd").env(
            "SW_STORAGE_ETCD_ENDPOINTS",
            self.store.address().to_string(),
        );
        let addresses: Vec<_> = engine.iter().map(ToString::to_string).collect();
        E::joined(options, &addresses.join(","))
    }

    /// Starts two collectors, and waits until they list each other.
    pub(crate) async fn pair(&self) -> (Collector, Collector) {
        let (a, b) = tokio::join!(self.options().start(), self.options().start());
        for observer in [&a, &b] {
            lists(observer, &[&a, &b]).await;
        }
        (a, b)
    }
}

/// The list of collectors at `path` for one kind of agent, as `observer` returns it.
pub(crate) async fn naming(observer: &Collector, path: &str) -> Result<Vec<String>, String> {
    let client = observer.http(observer.listeners().naming);
    Ok(client.get(path).await?.json())
}

/// Waits until `observer` lists exactly these collectors.
pub(crate) async fn lists(observer: &Collector, collectors: &[&Collector]) {
    let mut expected: Vec<_> = collectors.iter().map(|of| agent_grpc(of)).collect();
    expected.sort();
    lists_addresses(observer, &expected).await;
}

/// Waits until `observer` lists exactly these addresses.
pub(crate) async fn lists_addresses(observer: &Collector, expected: &[String]) {
    eventually(PATIENCE, async || {
        let listed = naming(observer, "/agent/gRPC").await?;
        (listed == expected)
            .then_some(())
            .ok_or_else(|| format!("lists {listed:?}, not {expected:?}"))
    })
    .await;
}

/// The name of a collector as a member.
pub(crate) fn name(collector: &Collector) -> String {
    collector.listeners().remote.to_string()
}

/// The entry of a collector in the list for agents over gRPC.
pub(crate) fn agent_grpc(collector: &Collector) -> String {
    collector.listeners().grpc.to_string()
}

/// The entry of the member `name` in the members that `observer` reports, if it has one.
pub(crate) async fn member(observer: &Collector, name: &str) -> Result<Option<Value>, String> {
    let client = observer.http(observer.listeners().ui);
    let page: Value = client.get("/api/members").await?.json();
    let members = page["items"].as_array().cloned().unwrap_or_default();
    Ok(members.into_iter().find(|member| member["address"] == name))
}

/// Waits until a collector is ready and not degraded.
pub(crate) async fn is_well(collector: &Collector) {
    has_status(collector, "ready", &[""]).await;
}

/// Waits until a collector is ready but degraded because of the cluster, with a reason that contains all of these texts.
pub(crate) async fn is_degraded(collector: &Collector, reason: &[&str]) {
    has_status(collector, "degraded", reason).await;
}

async fn has_status(collector: &Collector, status: &str, reason: &[&str]) {
    let client = collector.http(collector.listeners().ui);
    eventually(PATIENCE, async || {
        let reply = client.get("/readyz").await?;
        let body: Value = reply.json();
        assert_eq!(reply.status, 200, "{body}");
        let shown = body["reasons"]["cluster"].as_str().unwrap_or_default();
        let is_so = body["status"] == status && reason.iter().all(|part| shown.contains(part));
        is_so.then_some(()).ok_or_else(|| body.to_string())
    })
    .await;
}

/// The value of a metric without labels.
pub(crate) async fn metric(collector: &Collector, name: &str) -> Option<String> {
    let client = collector.http(collector.listeners().ui);
    let text = client.get("/metrics").await.unwrap().text();
    let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
    text.lines().find_map(value)
}

/// Allows the collector to log that the cluster is degraded.
pub(crate) fn may_complain(collector: &mut Collector) {
    collector.expect_log("cluster degraded");
}
