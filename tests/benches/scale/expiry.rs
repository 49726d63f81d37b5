//! Measures a fleet whose instances send no more signals, so that all of them become silent at once. After that the collector
//! stops, and writes the last signals of all instances back.

use std::time::{Duration, Instant};

use rollcall_tests::{
    bench::pace::{Delays, Load},
    process::{Collector, cpu_time},
};
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{Options, store::Store};

/// The time until all instances are silent after the start, and the time before that in which the usual delays and the usual
/// processor time are measured.
const TERM: Duration = Duration::from_secs(6);
const BEFORE: Duration = Duration::from_secs(4);
/// The pause between two requests for the number of instances in each state.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause between two readings of the processor time of a collector that is stopping.
const GLANCE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(900);

/// The measurements of one fleet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expiry {
    /// From the first silent instance until all are silent, in seconds.
    pub(crate) took: f64,
    /// The processor time for that, beyond the usual use, in seconds.
    pub(crate) cpu: f64,
    /// Delays of naming before the first instance is silent and from then on, in milliseconds.
    pub(crate) before: Option<Delays>,
    pub(crate) meanwhile: Option<Delays>,
    /// The growth of resident memory in that time, in bytes.
    pub(crate) growth: f64,
    /// Processor time and duration of the stop, which includes the write-back of all instances, in seconds.
    pub(crate) write_back: f64,
    pub(crate) stop: f64,
}

pub(crate) async fn measure(store: &Store, options: &Options) -> Expiry {
    let term = if options.quick { TERM / 6 } else { TERM };
    let options = store
        .options()
        .terms(term, Duration::from_secs(7200))
        // This is the default, but `terms` sets a shorter tick for tests.
        .env("SW_LIVENESS_TICK", "1s")
        // All instances become silent at the same moment, which is the worst case.
        .env("SW_LIVENESS_RESTART_SPREAD", "1ms");
    let mut collector = options.start().await;
    collector.expect_log("many instances fell silent at once");
    collector.expect_log("this collector stalled");
    collector.expect_log("instance silent");
    collector.expect_log("more instances silent");
    // On a busy machine ten million changes take longer to write back than a stop waits.
    collector.expect_log("the last write-back took too long");
    let mut load = Load::start(collector.listeners().naming);
    load.take();
    let [quiet, waiting] = {
        let quiet = totals(&collector);
        sleep(BEFORE.min(term / 2)).await;
        [quiet, totals(&collector)]
    };
    let before = load.take();
    counted(&collector, |silent, _| silent > 0).await;
    let start = Instant::now();
    counted(&collector, |_, up| up == 0).await;
    let end = totals(&collector);
    let meanwhile = load.take();
    // The processor time that the collector would have used in the same time without an expiry.
    let usual = (waiting.cpu - quiet.cpu).div_f64((waiting.at - quiet.at).as_secs_f64());
    let usual = usual.mul_f64((end.at - waiting.at).as_secs_f64());
    drop(load);
    let (write_back, stop) = stop(&mut collector).await;
    Expiry {
        took: (end.at - start).as_secs_f64(),
        cpu: (end.cpu - waiting.cpu).saturating_sub(usual).as_secs_f64(),
        before: Some(before),
        meanwhile: Some(meanwhile),
        growth: end.resident - waiting.resident,
        write_back,
        stop,
    }
}

/// What the collector has used up to the time `at`. `resident` is the memory at that time.
struct Totals {
    at: Instant,
    cpu: Duration,
    resident: f64,
}

fn totals(collector: &Collector) -> Totals {
    Totals {
        at: Instant::now(),
        cpu: cpu_time(collector.id()),
        resident: collector.resident_bytes() as f64,
    }
}

/// Waits until `is_wanted` accepts the numbers of instances that are silent and that are up.
async fn counted(collector: &Collector, is_wanted: impl Fn(u64, u64) -> bool) {
    let client = collector.http(collector.listeners().ui);
    let start = Instant::now();
    loop {
        let overview = client.get("/api/overview").await.expect("an answer");
        let agents = overview.json::<Value>()["agents"].clone();
        let count = |state: &str| agents[state].as_u64().unwrap_or(0);
        if is_wanted(count("silent"), count("up")) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{agents}");
        sleep(PAUSE).await;
    }
}

/// Stops the collector, and returns the processor time and the duration of the stop, in seconds.
async fn stop(collector: &mut Collector) -> (f64, f64) {
    let id = collector.id();
    let (start, before) = (Instant::now(), cpu_time(id));
    collector.signal(Signal::TERM);
    let mut last = before;
    let exit = async {
        let mut exit = std::pin::pin!(collector.exit());
        while timeout(GLANCE, exit.as_mut()).await.is_err() {
            last = cpu_time(id).max(last);
        }
    };
    exit.await;
    ((last - before).as_secs_f64(), start.elapsed().as_secs_f64())
}
