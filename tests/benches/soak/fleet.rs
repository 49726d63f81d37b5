//! The honest agents: they have three generations, and their names come from a bounded pool.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use parking_lot::Mutex;
use rollcall_proto::management::{InstancePingPkg, v3::ManagementServiceClient};
use rollcall_tests::{grpc, http, process::Listeners};
use tokio::task::JoinSet;

/// The number of agents that run at the same time.
const AGENTS: u64 = 64;
/// The number of application codes.
const APPLICATIONS: u64 = 40;
/// The number of instances of each application, over all generations.
const INSTANCES: u64 = 50;
/// The pause between two rounds of one agent.
const ROUND: Duration = Duration::from_millis(500);

/// The agents' measurements since the last sample.
pub(crate) struct Fleet {
    listeners: Listeners,
    rounds: AtomicU64,
    failures: AtomicU64,
    naming: Mutex<Vec<Duration>>,
}

impl Fleet {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self {
            listeners,
            rounds: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            naming: Mutex::default(),
        }
    }

    /// The durations of the naming requests since the last call, in ascending order.
    pub(crate) fn take_naming_times(&self) -> Vec<Duration> {
        let mut times = std::mem::take(&mut *self.naming.lock());
        times.sort();
        times
    }

    /// The numbers of rounds and of failed rounds since the last call.
    pub(crate) fn take_counts(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.rounds), take(&self.failures))
    }

    async fn naming(&self, client: &http::Client) -> Result<(), String> {
        let start = Instant::now();
        let reply = client.get("/agent/gRPC").await?;
        let took = start.elapsed();
        self.naming.lock().push(took);
        match reply.status.as_u16() {
            200 => Ok(()),
            status => Err(format!("naming answered {status}")),
        }
    }
}

/// Starts all agents as tasks in `agents`.
pub(crate) fn spawn(fleet: &Arc<Fleet>, seed: u64, agents: &mut JoinSet<()>) {
    for number in 0..AGENTS {
        let fleet = Arc::clone(fleet);
        agents.spawn(async move {
            let mut rng = Rng::with_seed(seed ^ number);
            loop {
                life(&fleet, &mut rng).await;
            }
        });
    }
}

/// Runs one agent from its start to its end.
async fn life(fleet: &Fleet, rng: &mut Rng) {
    let client = grpc::Client::lazy(fleet.listeners.grpc);
    let naming = http::Client::new(fleet.listeners.naming);
    let code = format!("soak-{}", rng.u64(..APPLICATIONS));
    let name = format!("instance-{}", rng.u64(..INSTANCES));
    let is_named = rng.bool();
    for _ in 0..rng.u32(5..60) {
        let round = async {
            fleet.naming(&naming).await?;
            let outcome = if is_named {
                keep_alive(&client, &code, &name).await
            } else {
                beat(&client, &code, &name).await
            };
            outcome.map_err(|status| status.to_string())
        };
        if let Err(failure) = round.await {
            eprintln!("honest agent: {failure}");
            fleet.failures.fetch_add(1, Ordering::Relaxed);
        }
        fleet.rounds.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(ROUND).await;
    }
}

/// Runs a round of a 5.x agent.
async fn beat(client: &grpc::Client, code: &str, name: &str) -> Result<(), tonic::Status> {
    let application = client.application(code).await?;
    let instance = client.instance(application, name).await?;
    client.jvm_metrics(instance).await?;
    client.heartbeat(instance).await
}

/// Runs a round of an 8.x agent.
async fn keep_alive(client: &grpc::Client, code: &str, name: &str) -> Result<(), tonic::Status> {
    let ping = InstancePingPkg {
        service: code.to_owned(),
        service_instance: format!("{name}@8"),
    };
    ManagementServiceClient::new(client.channel.clone())
        .keep_alive(ping)
        .await
        .map(drop)
}
