//! Measures the start of a collector with a large store.

use std::time::{Duration, Instant};

use rollcall_tests::{
    bench::{
        load::Caller as _,
        registration::{self, Call},
    },
    process::Collector,
};
use tokio::task::JoinSet;

use crate::server;

/// The name in the report.
pub(crate) const NAME: &str = "start-up";

/// The number of instances in the store.
pub(crate) const INSTANCES: u64 = 1_000_000;

/// The number of agents that register them concurrently.
const CALLERS: u64 = 500;

/// The number of starts.
const STARTS: usize = 5;

/// The measurements of the starts. Sizes are in bytes.
#[derive(Clone, Debug)]
pub(crate) struct StartUp {
    /// The time from the start of the process until `/readyz` answered 200, for each start.
    pub(crate) ready: Vec<Duration>,
    /// Resident size when ready, with an empty store.
    pub(crate) empty: u64,
    /// Resident size when ready, with the full store, for each start.
    pub(crate) full: Vec<u64>,
    /// The size of the strings that an instance reports.
    pub(crate) strings: u64,
}

/// Registers the instances at a collector over gRPC, as agents do, and restarts the collector several times.
///
/// The store has just been written, so it is in the system's file cache.
pub(crate) async fn run() -> StartUp {
    let mut collector = server::collector().start().await;
    let empty = collector.resident_bytes();
    fill(&collector).await;
    let (mut ready, mut full) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        collector.terminate().await;
        let start = Instant::now();
        collector.restart().await;
        ready.push(start.elapsed());
        full.push(collector.resident_bytes());
    }
    StartUp {
        ready,
        empty,
        full,
        strings: registration::string_bytes() as u64,
    }
}

async fn fill(collector: &Collector) {
    let grpc = collector.listeners().grpc;
    let callers = registration::connect(grpc, Call::NewInstance, CALLERS as usize, 8, 0).await;
    let mut running = JoinSet::new();
    for mut caller in callers {
        let mut share = 0..INSTANCES / CALLERS;
        running.spawn(async move { caller.run(|| share.next().is_some()).await });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("a caller does not panic");
    }
}
