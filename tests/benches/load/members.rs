//! Measures one, three and five collectors that share an etcd, alternately. The data of etcd are in memory where there is
//! room.

use rollcall_tests::{
    bench::{
        load::{self, Load},
        registration::{self, Call, Caller},
    },
    engine::{Etcd, Server},
    process::{Collector, cpu_time},
};

use crate::{options::Options, server};

/// The name in the report.
pub(crate) const NAME: &str = "members";

/// The numbers of loaded collectors. Each cluster has one more collector, the follower, which gets no calls.
const SIZES: [usize; 3] = [1, 3, 5];

/// The number of callers that share the collectors, and of their connections.
pub(crate) const CALLERS: usize = 240;
const CONNECTIONS: usize = 30;

/// The measurements of one cluster in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Applications registered per second. All servers shared the cores with the load.
    pub(crate) rate: f64,
    /// Rows per commit.
    pub(crate) rows: f64,
    /// The share of commits that conflicted with another collector.
    pub(crate) conflicts: f64,
    /// CPU time per registration in microseconds: of the loaded collectors, of the follower, and of etcd.
    pub(crate) called: f64,
    pub(crate) follower: f64,
    pub(crate) etcd: f64,
    /// CPU time per request for a known application: of all members including the follower, and of the same number of collectors
    /// with separate stores.
    pub(crate) read: f64,
    pub(crate) read_alone: f64,
}

/// The measurements of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub(crate) size: usize,
    pub(crate) rounds: Vec<Sample>,
}

/// Registers new applications at the loaded members of each cluster, and then requests a known application, round by round.
pub(crate) async fn run(options: &Options) -> Vec<Members> {
    let etcd = Server::<Etcd>::start().await;
    let mut clusters = Vec::new();
    for size in SIZES {
        clusters.push((Cluster::start(&etcd, size).await, Vec::new()));
    }
    for round in 0..=options.rounds {
        for (cluster, rounds) in &mut clusters {
            let sample = cluster.measure(&etcd, options).await;
            // The first round warms up.
            if round > 0 {
                rounds.push(sample);
            }
        }
    }
    clusters
        .into_iter()
        .map(|(cluster, rounds)| Members {
            size: cluster.called.len(),
            rounds,
        })
        .collect()
}

struct Cluster {
    called: Vec<Collector>,
    follower: Collector,
    writers: Vec<Caller>,
    readers: Vec<Caller>,
    /// As many collectors with separate stores as there are loaded members, and their readers.
    alone: Vec<Collector>,
    readers_alone: Vec<Caller>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Default)]
struct Counts {
    called: f64,
    follower: f64,
    etcd: f64,
    commits: f64,
    rows: f64,
    conflicts: f64,
}

/// Distributes the callers and their connections over these collectors.
async fn connect(collectors: &[Collector], call: Call) -> Vec<Caller> {
    let [callers, connections] = [CALLERS, CONNECTIONS].map(|all| all / collectors.len());
    let mut connected = Vec::new();
    for (number, collector) in collectors.iter().enumerate() {
        let grpc = collector.listeners().grpc;
        let first = number * callers;
        connected.extend(registration::connect(grpc, call, callers, connections, first).await);
    }
    connected
}

/// CPU time of these collectors per call, in microseconds.
async fn cost(
    collectors: impl Iterator<Item = &Collector> + Clone,
    callers: &mut Vec<Caller>,
    options: &Options,
) -> f64 {
    let spent = || -> f64 {
        let of_each = collectors.clone().map(|it| cpu_time(it.id()).as_secs_f64());
        of_each.sum()
    };
    let before = spent();
    let calls = load::put(callers, options.round()).await.calls;
    (spent() - before) / calls * 1e6
}

impl Cluster {
    async fn start(etcd: &Server<Etcd>, size: usize) -> Self {
        let start = || {
            server::collector()
                .env("SW_CLUSTER", "etcd")
                .env("SW_STORAGE", "etcd")
                .env("SW_CLUSTER_ETCD_ENDPOINTS", etcd.address().to_string())
                .env("SW_NAMESPACE", format!("size-{size}"))
                // A registration may take longer than a second, because the cores are busy.
                .env("SW_REGISTER_DEADLINE", "10s")
                .start()
        };
        let mut called = Vec::new();
        for _ in 0..=size {
            called.push(start().await);
        }
        // The first member commits for all members, so the follower must be another one: the last.
        called.sort_by_key(|collector| collector.listeners().remote.to_string());
        let follower = called.pop().expect("one more member than the called ones");
        let mut alone = Vec::new();
        for _ in 0..size {
            alone.push(Collector::start().await);
        }
        Self {
            writers: connect(&called, Call::NewApplication).await,
            readers: connect(&called, Call::KnownApplication).await,
            readers_alone: connect(&alone, Call::KnownApplication).await,
            called,
            follower,
            alone,
        }
    }

    async fn measure(&mut self, etcd: &Server<Etcd>, options: &Options) -> Sample {
        let before = self.counts(etcd).await;
        let Load { calls, seconds } = load::put(&mut self.writers, options.round()).await;
        let after = self.counts(etcd).await;
        let members = self.called.iter().chain([&self.follower]);
        let read = cost(members, &mut self.readers, options).await;
        let read_alone = cost(self.alone.iter(), &mut self.readers_alone, options).await;
        let each = |of: fn(&Counts) -> f64| (of(&after) - of(&before)) / calls;
        let commits = after.commits - before.commits;
        Sample {
            rate: calls / seconds,
            rows: (after.rows - before.rows) / commits,
            conflicts: (after.conflicts - before.conflicts) / commits,
            called: each(|counts| counts.called) * 1e6,
            follower: each(|counts| counts.follower) * 1e6,
            etcd: each(|counts| counts.etcd) * 1e6,
            read,
            read_alone,
        }
    }

    async fn counts(&self, etcd: &Server<Etcd>) -> Counts {
        let mut counts = Counts {
            follower: cpu_time(self.follower.id()).as_secs_f64(),
            etcd: cpu_time(etcd.id()).as_secs_f64(),
            ..Counts::default()
        };
        for collector in &self.called {
            counts.called += cpu_time(collector.id()).as_secs_f64();
            let metrics = collector
                .http(collector.listeners().ui)
                .get("/metrics")
                .await;
            let metrics = metrics.expect("an exposition").text();
            let value = |name: &str| -> f64 {
                let of_name = |line: &&str| line.starts_with(name);
                let line = metrics
                    .lines()
                    .find(of_name)
                    .expect("a metric of this name");
                let (_, value) = line.rsplit_once(' ').expect("a value");
                value.parse().expect("a number")
            };
            counts.commits += value("rollcall_commit_rows_count ");
            counts.rows += value("rollcall_commit_rows_sum ");
            counts.conflicts += value("rollcall_commit_conflicts_total ");
        }
        counts
    }
}
