//! Measures how the cost of a fleet depends on its size: memory, start, heartbeats, lists, the expiry of all instances at once, and
//! the write-back.
//!
//! `cargo bench -p rollcall-tests --bench scale -- [--instances N] [--rounds N] [--seconds S] [--quick] [--save]`
//!
//! The fleets have 10,000 instances, a million, and N if that is another number. Their stores are written directly through the
//! storage crate: registering ten million instances over the network would take minutes, and is not part of the measurement. The
//! collectors of all fleets then run at the same time and are measured in turn, round by round. Ratios follow the rule of
//! `rollcall_tests::bench`.

mod calm;
mod expiry;
mod report;
mod start;
mod store;

use std::ffi::OsString;

use clap::Parser;
use rollcall_tests::{bench::Rounds, results};

use store::Store;

/// The sizes of the fleets that are always measured. The ratios compare the other fleets with the first one.
const SIZES: [u32; 2] = [10_000, 1_000_000];

#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// Also measures a fleet of this size.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    instances: Option<u32>,

    /// The number of rounds of heartbeats and lists.
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// The duration of one round of heartbeats, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Runs everything once with tiny fleets, to show that the benchmark works. The figures of such a run are meaningless.
    #[arg(long, conflicts_with = "save")]
    quick: bool,

    /// Also replaces the section `scale` of `tests/benches/RESULTS.md` and its plots.
    #[arg(long)]
    save: bool,

    /// Ignored. Cargo passes this option to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The measurements of one fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) size: u32,
    /// The size of the store, in bytes.
    pub(crate) stored: u64,
    /// The seconds until the collector was ready, and its resident memory at that time in bytes.
    pub(crate) ready: Rounds,
    pub(crate) resident: Rounds,
    pub(crate) calm: calm::Calm,
    pub(crate) expiry: expiry::Expiry,
}

fn main() {
    run(std::env::args_os());
}

/// Runs the measurement with these command line arguments.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) {
    let mut options = Options::parse_from(arguments);
    if options.quick {
        (options.rounds, options.seconds) = (1, 0.2);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let report = runtime.block_on(measure(&options));
    println!("{report}");
    if options.save {
        report.save();
    }
}

async fn measure(options: &Options) -> report::Report {
    let mut sizes = SIZES.to_vec();
    sizes.extend(options.instances);
    if options.quick {
        sizes = vec![200, 1_000];
    }
    sizes.sort_unstable();
    sizes.dedup();
    let load = results::load_average();
    let empty = start::empty().await;
    let (mut fleets, mut running) = (Vec::new(), Vec::new());
    for size in sizes {
        eprintln!("writing the store of {size} instances");
        let store = tokio::task::block_in_place(|| Store::write(size));
        let mut fleet = Fleet {
            size,
            stored: store.bytes(),
            ..Fleet::default()
        };
        let collector = start::repeated(&store, &mut fleet, options).await;
        fleets.push((fleet, store));
        running.push(collector);
    }
    calm::measure(&mut fleets, &running, options).await;
    for collector in &mut running {
        collector.terminate().await;
    }
    for (fleet, store) in &mut fleets {
        eprintln!("expiring {} instances", fleet.size);
        fleet.expiry = expiry::measure(store, options).await;
    }
    let fleets = fleets.into_iter().map(|(fleet, _)| fleet).collect();
    report::Report {
        load,
        empty,
        fleets,
    }
}
