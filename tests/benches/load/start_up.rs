//! A collector that starts on a large store.

use std::time::{Duration, Instant};

use rollcall_tests::process::Collector;
use tokio::task::JoinSet;

use crate::{load::Caller as _, registration, scenario::Call};

/// What the report calls it.
pub(crate) const NAME: &str = "start-up";

/// How many instances are in the store.
pub(crate) const INSTANCES: u64 = 1_000_000;

/// How many agents register them, so that many at a time.
const CALLERS: u64 = 500;

/// How often it is started.
const STARTS: usize = 5;

/// What the starts showed. Sizes are in bytes.
#[derive(Clone, Debug)]
pub(crate) struct StartUp {
    /// From the start of the process until `/readyz` answered 200, of every start.
    pub(crate) ready: Vec<Duration>,
    /// Resident size with an empty store, when it was ready.
    pub(crate) empty: u64,
    /// Resident size with the full store, when it was ready, of every start.
    pub(crate) full: Vec<u64>,
    /// What an instance told of itself.
    pub(crate) strings: u64,
}

/// Registers the instances at a collector, over gRPC as agents do, and starts it again and again.
///
/// The store has just been written: the system has it in its cache of files.
pub(crate) async fn run() -> StartUp {
    let mut collector = Collector::start().await;
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
