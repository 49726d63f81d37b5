//! An hour of honest and hostile load on one release collector under 512 MiB: is its memory flat?
//!
//! `cargo bench -p rollcall-tests --bench soak -- [--minutes N] [--seed N] [--save]`
//!
//! A fleet of agents registers, beats, leaves and returns under names from a bounded pool, so that the inventory reaches
//! its size in the first minutes. Beside it one attack a second is drawn at random. Every minute one row is taken: resident
//! memory, what the budgets hold, connections, and how long the naming list took. The summary compares the resident memory
//! of the second quarter of the run with that of the last. No test depends on it.

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

/// Runs honest and hostile load for a while and samples the collector's memory.
#[derive(Debug, Parser)]
struct Options {
    /// How long, in minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u32,

    /// The seed of every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Writes the summary to `tests/benches/SOAK.md` too.
    #[arg(long)]
    save: bool,

    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Attacks under way at a time; one more waits.
const ATTACKS_AT_A_TIME: usize = 4;
/// Pause between the starts of two attacks.
const ATTACK_INTERVAL: Duration = Duration::from_secs(1);
/// No attack is waited for longer than this.
const ATTACK_TIMEOUT: Duration = Duration::from_secs(40);
/// Interval of the samples.
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
    let mut options = Collector::options()
        .terms(Duration::from_secs(10), Duration::from_secs(20))
        .release()
        .ulimit("-d 524288");
    for budget in budgets {
        options = options.env(format!("SW_SERVER_{budget}_MEMORY"), "64MiB");
    }
    let mut collector = options.start().await;
    // What an attacked collector warns about is not what is measured here.
    collector.expect_log("");
    collector
}

async fn finish(mut collector: Collector) {
    let status = collector.terminate().await;
    println!("exit code {:?}", status.code());
}

fn summary(options: &Options, samples: &[Sample]) -> String {
    let quarter = (samples.len() / 4).max(1);
    let mean = |part: &[Sample]| {
        let sum: u64 = part.iter().map(|sample| sample.resident).sum();
        sum / u64::try_from(part.len().max(1)).expect("a small number")
    };
    let early = mean(samples.get(quarter..2 * quarter).unwrap_or_default());
    let late = mean(&samples[samples.len().saturating_sub(quarter)..]);
    let peak = samples.iter().map(|sample| sample.peak).max().unwrap_or(0);
    let mib = |bytes: u64| bytes >> 20;
    let mut text = String::from("# Soak\n\n");
    let written = writeln!(
        text,
        "{} minutes, seed {}: honest agents and one random attack a second on one release collector under a limit of \
         512 MiB,\nwith four budgets of 64 MiB, on a machine that also runs the load.\n\n\
         Resident memory: {} MiB on average in the second quarter, {} MiB in the last; {} MiB at most.\n",
        options.minutes,
        options.seed,
        mib(early),
        mib(late),
        mib(peak),
    );
    written.expect("writing to a string");
    text.push_str(Sample::HEADER);
    for sample in samples {
        write!(text, "\n{sample}").expect("writing to a string");
    }
    text.push('\n');
    text
}
