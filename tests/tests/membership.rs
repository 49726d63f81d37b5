//! Who is a member, as everybody else sees it: real collectors, with real etcd and ZooKeeper servers to tell them.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rollcall_tests::{
    PATIENCE,
    engine::{Engine, Etcd, Server, ZooKeeper},
    eventually, http,
    process::{Child, Collector, Options},
    proxy::{Link, Proxy},
};
use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a collector that is not heard of stays a member.
const TERM: Duration = Duration::from_secs(2);
/// How much later than that an engine may notice it, on a busy machine: both look at their leases in steps of half a second.
const NOTICED: Duration = Duration::from_secs(2);

/// An engine that tells collectors of each other.
trait Coordinator: Engine {
    /// A collector that is told by the one at `address`.
    fn joined(options: Options, address: SocketAddr) -> Options;
}

impl Coordinator for Etcd {
    fn joined(options: Options, address: SocketAddr) -> Options {
        options
            .env("SW_CLUSTER", "etcd")
            .env("SW_CLUSTER_ETCD_ENDPOINTS", address.to_string())
            .env("SW_CLUSTER_ETCD_LEASE_TERM", format!("{}s", TERM.as_secs()))
    }
}

impl Coordinator for ZooKeeper {
    fn joined(options: Options, address: SocketAddr) -> Options {
        options
            .env("SW_CLUSTER", "zookeeper")
            .env("SW_CLUSTER_ZK_HOST_PORT", address.to_string())
            .env(
                "SW_CLUSTER_ZK_SESSION_TIMEOUT",
                TERM.as_millis().to_string(),
            )
    }
}

/// An engine, and a store of its own that the collectors share and that stays well.
struct Cluster<E> {
    engine: Server<E>,
    store: Server<Etcd>,
}

impl<E: Coordinator> Cluster<E> {
    async fn start() -> Self {
        let (engine, store) = tokio::join!(Server::start(), Server::start());
        Self { engine, store }
    }

    fn options(&self) -> Options {
        self.options_through(self.engine.address())
    }

    fn options_through(&self, engine: SocketAddr) -> Options {
        let options = Collector::options().env("SW_STORAGE", "etcd").env(
            "SW_STORAGE_ETCD_ENDPOINTS",
            self.store.address().to_string(),
        );
        E::joined(options, engine)
    }

    /// Two collectors that list each other.
    async fn pair(&self) -> (Collector, Collector) {
        let (a, b) = tokio::join!(self.options().start(), self.options().start());
        for observer in [&a, &b] {
            lists(observer, &[&a, &b]).await;
        }
        (a, b)
    }
}

/// The list of collectors for agents of one kind, as `observer` answers it.
async fn naming(observer: &Collector, path: &str) -> Result<Vec<String>, String> {
    let client = observer.http(observer.listeners().naming);
    Ok(client.get(path).await?.json())
}

/// Waits until `observer` lists these collectors and nobody else.
async fn lists(observer: &Collector, collectors: &[&Collector]) {
    let mut expected: Vec<_> = collectors.iter().map(|of| name(of)).collect();
    expected.sort();
    lists_addresses(observer, &expected).await;
}

async fn lists_addresses(observer: &Collector, expected: &[String]) {
    eventually(PATIENCE, async || {
        let listed = naming(observer, "/agent/gRPC").await?;
        (listed == expected)
            .then_some(())
            .ok_or_else(|| format!("lists {listed:?}, not {expected:?}"))
    })
    .await;
}

/// What a collector is called among the members.
fn name(collector: &Collector) -> String {
    collector.listeners().grpc.to_string()
}

/// What `observer` knows of the member called `name`, if it is one.
async fn member(observer: &Collector, name: &str) -> Result<Option<Value>, String> {
    let client = observer.http(observer.listeners().ui);
    let page: Value = client.get("/api/members").await?.json();
    let members = page["items"].as_array().cloned().unwrap_or_default();
    Ok(members.into_iter().find(|member| member["address"] == name))
}

/// Waits until a collector is ready, and nothing is wrong with it.
async fn is_well(collector: &Collector) {
    has_status(collector, "ready", &[""]).await;
}

/// Waits until a collector is ready, and says of the cluster what is wrong in all of these words.
async fn is_degraded(collector: &Collector, reason: &[&str]) {
    has_status(collector, "degraded", reason).await;
}

async fn has_status(collector: &Collector, status: &str, reason: &[&str]) {
    let client = collector.http(collector.listeners().ui);
    eventually(PATIENCE, async || {
        let reply = client.get("/readyz").await?;
        let body: Value = reply.json();
        assert_eq!(reply.status, 200, "{body}");
        let told = body["reasons"]["cluster"].as_str().unwrap_or_default();
        let is_so = body["status"] == status && reason.iter().all(|part| told.contains(part));
        is_so.then_some(()).ok_or_else(|| body.to_string())
    })
    .await;
}

/// The value of a metric without labels.
async fn metric(collector: &Collector, name: &str) -> Option<String> {
    let client = collector.http(collector.listeners().ui);
    let text = client.get("/metrics").await.unwrap().text();
    let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
    text.lines().find_map(value)
}

/// Lets the collector say that something is wrong with the cluster.
fn may_complain(collector: &mut Collector) {
    collector.expect_log("the cluster is not as it should be");
}

/// Asks `observer` for the list, and then everybody on it whether it is there; until `done`.
async fn all_that_are_listed_answer(observer: &Collector, mut done: impl FnMut(&[String]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = naming(observer, "/ui/jetty").await.unwrap();
        for entry in &listed {
            let address = entry.trim_end_matches('/').parse().unwrap();
            let reply = http::Client::new(address).get("/livez").await;
            assert!(reply.is_ok(), "{entry} is listed: {reply:?}");
        }
        if done(&listed) {
            return;
        }
        assert!(Instant::now() < deadline, "still lists {listed:?}");
    }
}

async fn whoever_is_listed_serves<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let a = cluster.options().start().await;
    lists(&a, &[&a]).await;
    let joining = async {
        let b = cluster.options().start().await;
        lists(&b, &[&a, &b]).await;
        b
    };
    let (mut b, ()) = tokio::join!(
        joining,
        all_that_are_listed_answer(&a, |listed| listed.len() == 2)
    );
    let seen = member(&a, &name(&b)).await.unwrap().unwrap();
    for (key, value) in [("state", "serving"), ("version", env!("CARGO_PKG_VERSION"))] {
        assert_eq!(seen[key], value, "{seen}");
    }
    let own = member(&b, &name(&b)).await.unwrap().unwrap();
    assert_eq!((&seen["self"], &own["self"]), (&false.into(), &true.into()));
    assert_eq!(seen["since"], own["since"]);
    let owners = [&a, &b].map(name);
    let first = owners.iter().min().unwrap();
    for owner in &owners {
        let known = member(&a, owner).await.unwrap().unwrap();
        assert_eq!(known["owner"], owner == first, "{known}");
    }
    b.signal(Signal::TERM);
    all_that_are_listed_answer(&a, |listed| listed.len() == 1).await;
    assert!(b.exit().await.success());
}

async fn a_dead_member_is_gone_within_its_term<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let (a, mut b) = cluster.pair().await;
    b.kill();
    let killed = Instant::now();
    lists(&a, &[&a]).await;
    let gone = killed.elapsed();
    assert!(gone < TERM + NOTICED, "it took {gone:?}");
}

async fn a_draining_member_finishes_where_nobody_sends_anything_new<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let (a, mut b) = cluster.pair().await;
    let mut underway = TcpStream::connect(b.listeners().jetty).await.unwrap();
    let head = "POST /application/register HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    underway.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    underway.read_exact(&mut go_on).await.unwrap();
    b.signal(Signal::TERM);
    lists(&a, &[&a]).await;
    let listener = b.listeners().jetty.to_string();
    b.wait_for_log(|line| line.message == "draining" && line.text("address") == Some(&listener))
        .await;
    let draining = member(&a, &name(&b)).await.unwrap().unwrap();
    assert_eq!(draining["state"], "draining");
    underway.write_all(b"[]").await.unwrap();
    let mut answer = String::new();
    underway.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(b.exit().await.success());
    assert_eq!(member(&a, &name(&b)).await.unwrap(), None);
}

async fn a_member_that_lost_its_session_comes_back<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let (a, mut b) = cluster.pair().await;
    may_complain(&mut b);
    b.signal(Signal::STOP);
    lists(&a, &[&a]).await;
    b.signal(Signal::CONT);
    lists(&a, &[&a, &b]).await;
    is_well(&b).await;
}

async fn the_last_list_stays_while_the_engine_is_away<E: Coordinator>() {
    let mut cluster = Cluster::<E>::start().await;
    let (mut a, mut b) = cluster.pair().await;
    may_complain(&mut a);
    may_complain(&mut b);
    let listed = [name(&a), name(&b)];
    let stays = async |away: &str| {
        for collector in [&a, &b] {
            is_degraded(collector, &["cannot be reached"]).await;
            let mut still = naming(collector, "/agent/gRPC").await.unwrap();
            still.sort_by_key(|address| listed.iter().position(|known| known == address));
            assert_eq!(still, listed, "{away}");
            assert_eq!(
                metric(collector, "rollcall_coordinated").await.unwrap(),
                "0"
            );
        }
    };
    cluster.engine.pause();
    stays("paused").await;
    cluster.engine.resume();
    for collector in [&a, &b] {
        is_well(collector).await;
        lists(collector, &[&a, &b]).await;
    }
    cluster.engine.kill();
    stays("killed").await;
    cluster.engine.restart().await;
    for collector in [&a, &b] {
        is_well(collector).await;
        lists(collector, &[&a, &b]).await;
        assert_eq!(
            metric(collector, "rollcall_coordinated").await.unwrap(),
            "1"
        );
    }
    // What it knows is alive again, not only kept.
    assert!(b.terminate().await.success());
    lists(&a, &[&a]).await;
}

async fn a_collector_starts_without_its_engine_and_joins_later<E: Coordinator>() {
    let mut cluster = Cluster::<E>::start().await;
    cluster.engine.kill();
    let mut a = cluster.options().start().await;
    may_complain(&mut a);
    is_degraded(&a, &["cannot be reached"]).await;
    assert_eq!(naming(&a, "/agent/gRPC").await.unwrap(), [""; 0]);
    cluster.engine.restart().await;
    is_well(&a).await;
    lists(&a, &[&a]).await;
}

async fn the_entry_of_somebody_else_is_an_error_and_no_eviction<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let mut a = cluster.options().start().await;
    lists(&a, &[&a]).await;
    let before = member(&a, &name(&a)).await.unwrap();
    let port = a.listeners().grpc.port().to_string();
    let mut twin = cluster
        .options()
        .env("SW_AGENT_GRPC_HOST", "127.0.0.2")
        .env("SW_AGENT_GRPC_ADVERTISED_HOST", "127.0.0.1")
        .env("SW_AGENT_GRPC_PORT", port)
        .start()
        .await;
    may_complain(&mut twin);
    is_degraded(&twin, &[&name(&a), "belongs to another collector"]).await;
    assert_eq!(member(&a, &name(&a)).await.unwrap(), before);
    assert!(a.terminate().await.success());
    is_well(&twin).await;
    lists_addresses(&twin, &[name(&a)]).await;
}

macro_rules! with_both_engines {
    ($($promise:ident)*) => {
        mod etcd {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise::<super::Etcd>().await;
            })*
        }

        mod zookeeper {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise::<super::ZooKeeper>().await;
            })*
        }
    };
}

with_both_engines! {
    whoever_is_listed_serves
    a_dead_member_is_gone_within_its_term
    a_draining_member_finishes_where_nobody_sends_anything_new
    a_member_that_lost_its_session_comes_back
    the_last_list_stays_while_the_engine_is_away
    a_collector_starts_without_its_engine_and_joins_later
    the_entry_of_somebody_else_is_an_error_and_no_eviction
}

#[tokio::test]
async fn history_that_is_gone_from_etcd_is_no_history_missed() {
    let cluster = Cluster::<Etcd>::start().await;
    let link = Proxy::to(cluster.engine.address()).await;
    let mut a = cluster.options_through(link.address()).start().await;
    may_complain(&mut a);
    let mut b = cluster.options().start().await;
    lists(&a, &[&a, &b]).await;
    link.set(Link::Refusing);
    is_degraded(&a, &[]).await;
    assert!(b.terminate().await.success());
    cluster.engine.compact().await;
    link.set(Link::Whole);
    is_well(&a).await;
    lists(&a, &[&a]).await;
}

/// ZooKeeper's own command line, with a session that lasts as long as this: what upstream's collectors see and do.
struct Upstream(Child);

impl Upstream {
    fn connect(zookeeper: SocketAddr) -> Self {
        let java = Path::new("/usr/share/java");
        let archive = |name: &str| java.join(name).display().to_string();
        let classes = [archive("zookeeper.jar"), archive("slf4j-simple.jar")].join(":");
        let mut command = Command::new("java");
        command
            .args(["-Xmx128m", "-classpath", &classes])
            .args(["org.apache.zookeeper.ZooKeeperMain", "-server"])
            .arg(zookeeper.to_string());
        Self(Child::spawn("ZooKeeper's command line", &mut command))
    }

    fn does(&mut self, command: &str) {
        self.0.write_line(command);
    }

    /// Waits until it answers `command` with this line.
    async fn says(&mut self, command: &str, line: &str) {
        self.does(command);
        let find = |lines: &[String]| lines.iter().any(|said| said.trim() == line).then_some(());
        let found = self.0.stdout.find(PATIENCE, find).await;
        found.unwrap_or_else(|lines| panic!("{command}: {lines:#?}"));
    }
}

#[tokio::test]
async fn upstreams_collectors_and_ours_see_each_other_in_zookeeper() {
    let cluster = Cluster::<ZooKeeper>::start().await;
    let a = cluster
        .options()
        .env("SW_NAMESPACE", "ns")
        .env("SW_AGENT_JETTY_CONTEXT_PATH", "/sky")
        .start()
        .await;
    lists(&a, &[&a]).await;
    let mut upstream = Upstream::connect(cluster.engine.address());
    let (grpc, jetty, ui) = (name(&a), a.listeners().jetty, a.listeners().ui);
    for (parent, child) in [
        ("agent_gRPC/gRPC", grpc.clone()),
        ("agent_jetty/jetty", jetty.to_string()),
        ("ui/jetty", ui.to_string()),
        ("remote/gRPC", grpc.clone()),
    ] {
        let path = format!("ls /ns/skywalking/{parent}");
        upstream.says(&path, &format!("[{child}]")).await;
    }
    let get = format!("get /ns/skywalking/agent_jetty/jetty/{jetty}");
    upstream.says(&get, "/sky").await;
    for path in [
        "agent_gRPC/gRPC/10.9.8.7:11800",
        "remote/gRPC/10.9.8.7:11800",
    ] {
        upstream.does(&format!("create -e /ns/skywalking/{path}"));
    }
    let mut both = vec![grpc, "10.9.8.7:11800".to_owned()];
    both.sort();
    lists_addresses(&a, &both).await;
    let seen = member(&a, "10.9.8.7:11800").await.unwrap().unwrap();
    assert_eq!(
        (&seen["version"], &seen["owner"]),
        (&Value::Null, &false.into())
    );
    drop(upstream);
    lists(&a, &[&a]).await;
}
