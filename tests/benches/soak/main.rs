//! Measures whether the memory of a release collector grows in an hour of honest and hostile load. The collector runs under a limit
//! of 512 MiB.
//!
//! `cargo bench -p rollcall-tests --bench soak -- [--minutes N] [--seed N] [--save]`
//!
//! A fleet of agents registers, sends heartbeats, leaves and returns with names from a bounded pool, so the inventory reaches its
//! final size in the first minutes. At the same time one attack per second starts, chosen at random. Every minute adds one row to
//! the table: resident memory, bytes held by the budgets, connections, and the duration of naming requests. The summary has the
//! range of resident memory after the first quarter of the run, and its growth. No test depends on this benchmark.

mod attack;
mod fleet;
mod sample;

use std::{
    fmt::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use fastrand::Rng;
use rollcall_tests::process::Collector;
use tokio::{task::JoinSet, time::timeout};

use fleet::Fleet;
use sample::{Sample, Sampler};

/// Runs honest and hostile load for a given time, and samples the collector's memory.
#[derive(Debug, Parser)]
struct Options {
    /// The duration in minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u32,

    /// The seed of every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Also writes the summary to `tests/benches/SOAK.md`.
    #[arg(long)]
    save: bool,

    /// Ignored. Cargo passes this option to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The largest number of attacks at the same time. The next attack waits until one of them ends.
const ATTACKS_AT_A_TIME: usize = 4;
/// The pause between the starts of two attacks.
const ATTACK_INTERVAL: Duration = Duration::from_secs(1);
/// An attack that takes longer is cancelled.
const ATTACK_TIMEOUT: Duration = Duration::from_secs(40);
/// The time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let collector = start().await;
    let listeners = collector.listeners();
    let fleet = Arc::new(Fleet::new(listeners));
    let mut agents = JoinSet::new();
    fleet::spawn(&fleet, options.seed, &mut agents);
    let mut attacks = JoinSet::new();
    let mut rng = Rng::with_seed(options.seed);
    let mut sampler = Sampler::new(&collector);
    let mut samples = Vec::new();
    let end = Instant::now() + Duration::from_secs(60) * options.minutes;
    let mut due = Instant::now() + SAMPLE_INTERVAL;
    println!("{}", Sample::HEADER);
    while Instant::now() < end {
        while attacks.len() >= ATTACKS_AT_A_TIME {
            attacks.join_next().await;
        }
        let attack = rng.choice(attack::ATTACKS).expect("some attacks");
        let seed = rng.u64(..);
        attacks.spawn(timeout(ATTACK_TIMEOUT, attack(listeners, seed)));
        tokio::time::sleep(ATTACK_INTERVAL).await;
        if Instant::now() >= due {
            due += SAMPLE_INTERVAL;
            let sample = sampler.take(&collector, &fleet).await;
            println!("{sample}");
            samples.push(sample);
        }
    }
    agents.shutdown().await;
    attacks.shutdown().await;
    let summary = summary(&options, &samples);
    println!("\n{summary}");
    if options.save {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/SOAK.md");
        std::fs::write(&path, summary).expect("writing the summary");
    }
    finish(collector).await;
}

async fn start() -> Collector {
    let budgets = ["INBOUND", "WORK", "OUTBOUND", "CONNECTION"];
    // The fleet and the attackers share one address, so limits per address would also limit the honest load. On an empty store the
    // first unknown id would prevent the fleet from registering for a while.
    let mut options = Collector::options()
        .on_disk()
        .env("SW_TIMELINE_PER_PEER", "100000000")
        .terms(Duration::from_secs(10), Duration::from_secs(20))
        .env("SW_REGISTER_MAX_NEW_PER_PEER", "1000000")
        .env("SW_REGISTER_MAX_NEW_BURST_PER_PEER", "1000000")
        .without_listening()
        .release()
        .ulimit("-d 524288");
    for budget in budgets {
        options = options.env(format!("SW_SERVER_{budget}_MEMORY"), "64MiB");
    }
    let mut collector = options.start().await;
    // A collector under attack logs warnings, which are not checked here.
    collector.expect_warnings();
    collector.expect_log("the inventory is full");
    collector
}

async fn finish(mut collector: Collector) {
    let status = collector.terminate().await;
    println!("exit code {:?}", status.code());
}

fn summary(options: &Options, samples: &[Sample]) -> String {
    let quarter = samples.len() / 4;
    let settled = &samples[quarter..];
    let (least, most) = settled.iter().fold((u64::MAX, 0), |(least, most), sample| {
        (least.min(sample.resident), most.max(sample.resident))
    });
    let peak = samples.iter().map(|sample| sample.peak).max().unwrap_or(0);
    let sum = |count: fn(&Sample) -> u64| samples.iter().map(count).sum::<u64>();
    let mib = |bytes: u64| bytes >> 20;
    let mut text = String::from("# Soak\n\n");
    let written = writeln!(
        text,
        "`cargo bench -p rollcall-tests --bench soak -- --minutes {} --seed {} --save`: honest agents and one random attack a\n\
         second on one release collector under a limit of 512 MiB, with four budgets of 64 MiB. The load runs on the same two\n\
         cores. Measured at {}.\n\n\
         After the first quarter of the run resident memory was between {} and {} MiB and grew by {:.1} MiB an hour (least\n\
         squares); the peak of the whole run is {} MiB. {} of {} rounds of honest agents failed.\n",
        options.minutes,
        options.seed,
        rollcall_tests::results::setup(),
        mib(least),
        mib(most),
        slope(settled),
        mib(peak),
        sum(|sample| sample.failures),
        sum(|sample| sample.rounds),
    );
    written.expect("writing to a string");
    text.push_str(Sample::HEADER);
    for sample in samples {
        write!(text, "\n{sample}").expect("writing to a string");
    }
    text.push('\n');
    text
}

/// The growth of resident memory in MiB per hour, by least squares.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let points = samples.iter().map(|sample| {
        let hours = sample.minute as f64 / 60.0;
        let mib = sample.resident as f64 / f64::from(1 << 20);
        (hours, mib)
    });
    let (x, y) = points
        .clone()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (above, below) = points.fold((0.0, 0.0), |(above, below), (hours, mib)| {
        let off = hours - x;
        (above + off * (mib - y), below + off * off)
    });
    above / below
}
