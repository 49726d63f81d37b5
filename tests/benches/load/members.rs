//! One, three and five collectors that share an etcd, in turn.

use rollcall_tests::{
    engine::{Etcd, Server},
    process::Collector,
};

use crate::{
    load::{self, Load},
    options::Options,
    registration::{self, Caller},
    scenario::Call,
    usage::cpu_time,
};

/// What the report calls it.
pub(crate) const NAME: &str = "members";

/// How many collectors are called. There is always one more, whom nobody calls.
const SIZES: [usize; 3] = [1, 3, 5];

/// How many callers share the collectors, and how many connections they have.
pub(crate) const CALLERS: usize = 240;
const CONNECTIONS: usize = 30;

/// What a size showed in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Applications registered in a second. All servers shared the cores with the load.
    pub(crate) rate: f64,
    /// Rows in a commit.
    pub(crate) rows: f64,
    /// Commits that were made anew because another collector was first, of all.
    pub(crate) behind: f64,
    /// CPU time for a registration, in microseconds: of those that were called, of the one that was not, and of etcd.
    pub(crate) called: f64,
    pub(crate) follower: f64,
    pub(crate) etcd: f64,
    /// CPU time to answer for a known application: of all members, the one that was not called included; and of as many
    /// collectors that have nothing to do with each other.
    pub(crate) read: f64,
    pub(crate) read_alone: f64,
}

/// What a size showed.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub(crate) size: usize,
    pub(crate) rounds: Vec<Sample>,
}

/// Registers new applications at all members of each size, and asks for a known one, round by round.
pub(crate) async fn run(options: &Options) -> Vec<Members> {
    let etcd = Server::<Etcd>::start().await;
    let mut clusters = Vec::new();
    for size in SIZES {
        clusters.push((Cluster::start(&etcd, size).await, Vec::new()));
    }
    for round in 0..=options.rounds {
        for (cluster, rounds) in &mut clusters {
            let sample = cluster.measure(&etcd, options).await;
            // The first one warms up.
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
    /// As many as are called, each on its own, and their readers.
    alone: Vec<Collector>,
    readers_alone: Vec<Caller>,
}

/// What is counted over a round.
#[derive(Clone, Copy, Default)]
struct Counts {
    called: f64,
    follower: f64,
    etcd: f64,
    commits: f64,
    rows: f64,
    behind: f64,
}

/// Spreads the callers and their connections over these collectors.
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

/// CPU time of these collectors for a call, in microseconds.
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
            Collector::options()
                .env("SW_CLUSTER", "etcd")
                .env("SW_STORAGE", "etcd")
                .env("SW_CLUSTER_ETCD_ENDPOINTS", etcd.address().to_string())
                .env("SW_NAMESPACE", format!("size-{size}"))
                // A core has more to do here than to answer in a second.
                .env("SW_REGISTER_DEADLINE", "10s")
                .start()
        };
        let mut called = Vec::new();
        for _ in 0..=size {
            called.push(start().await);
        }
        // The first one commits for all: it has to be among those that are called.
        called.sort_by_key(|collector| collector.listeners().remote.to_string());
        let follower = called.pop().expect("one more than are called");
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
            behind: (after.behind - before.behind) / commits,
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
            counts.behind += value("rollcall_commits_behind_total ");
        }
        counts
    }
}
