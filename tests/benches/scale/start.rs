//! Measures the start of a collector, and its resident memory after the start.

use std::time::Instant;

use rollcall_tests::process::Collector;

use super::{Fleet, Options, store::Store};

/// How often the collector of a fleet is started. With [`LARGE`] instances or more it is started only twice.
const STARTS: usize = 3;
const LARGE: u32 = 3_000_000;

/// The resident memory of a collector without instances.
pub(crate) async fn empty() -> u64 {
    Collector::start().await.resident_bytes()
}

/// Starts the collector of a fleet several times, and returns the last one, which still runs.
pub(crate) async fn repeated(store: &Store, fleet: &mut Fleet, options: &Options) -> Collector {
    let starts = match fleet.size {
        _ if options.quick => 1,
        LARGE.. => 2,
        _ => STARTS,
    };
    let mut collector = started(store, fleet).await;
    for _ in 1..starts {
        collector.terminate().await;
        drop(collector);
        collector = started(store, fleet).await;
    }
    collector
}

async fn started(store: &Store, fleet: &mut Fleet) -> Collector {
    let options = store
        .options()
        // No instance expires while the collectors are compared.
        .env("SW_LIVENESS_SILENT_AFTER", "1h")
        .env("SW_LIVENESS_DOWN_AFTER", "2h");
    let start = Instant::now();
    let mut collector = options.start().await;
    collector.expect_log("this collector stalled");
    fleet.ready.add(start.elapsed().as_secs_f64());
    fleet.resident.add(collector.resident_bytes() as f64);
    collector
}
