//! Measures the cost of a connection and the capacity of one collector: idle connections, keepalives, handshakes and the largest
//! rates.
//!
//! `cargo bench -p rollcall-tests --bench limits -- [--connections N] [--rounds N] [--seconds S] [--quick] [--save]`
//!
//! Every part loads its cases in turn, round by round. The client and the collector share the machine, so CPU times apply to the
//! collector alone, and rates to both together. Ratios follow the rule of `rollcall_tests::bench`.

mod connections;
mod handshakes;
mod keepalives;
mod rates;
mod report;

use std::{ffi::OsString, net::IpAddr, time::Duration};

use clap::Parser;
use rollcall_tests::results;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The number of descriptors that the processes need in addition to the connections.
const OWN: u64 = 1500;

#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// The largest number of connections that are open at the same time. The limit of open files may allow fewer.
    #[arg(long, default_value_t = 100_000)]
    connections: u64,

    /// The number of rounds of each part.
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// The duration of one round of calls, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Runs everything once with a few connections, to check that it works. The figures have no meaning.
    #[arg(long, conflicts_with = "save")]
    quick: bool,

    /// Also replaces the section `limits` of `tests/benches/RESULTS.md`, and its plots.
    #[arg(long)]
    save: bool,

    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) const fn rounds(&self) -> usize {
        self.rounds
    }

    pub(crate) fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// `usual`, or a small part of it for a quick run.
    pub(crate) fn count(&self, usual: usize) -> usize {
        if self.quick {
            usual.div_ceil(200)
        } else {
            usual
        }
    }

    pub(crate) const fn is_quick(&self) -> bool {
        self.quick
    }
}

fn main() {
    run(std::env::args_os());
}

/// Runs the bench with these command line arguments.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) {
    let mut options = Options::parse_from(arguments);
    if options.quick {
        (options.rounds, options.seconds) = (1, 0.2);
    }
    let most = descriptors().saturating_sub(OWN).max(100);
    options.connections = options.connections.min(most);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let report = runtime.block_on(measure(&options));
    println!("{report}");
    if options.save {
        report.save();
    }
}

async fn measure(options: &Options) -> report::Report {
    report::Report {
        load: results::load_average(),
        idle: connections::measure(options).await,
        rates: rates::measure(options).await,
        handshakes: handshakes::measure(options).await,
        keepalives: keepalives::measure(options).await,
    }
}

/// Raises the limit of open files as far as this process may, for itself and the collectors that it starts. Returns the limit.
fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_err() {
        return limit.current.unwrap_or(u64::MAX);
    }
    limit.maximum.unwrap_or(u64::MAX)
}

/// One of eight addresses of this machine, in turn, because the collector limits the connections of one address.
pub(crate) fn source(number: usize) -> Option<IpAddr> {
    let host = u8::try_from(number % 8).expect("below 8") + 1;
    Some(IpAddr::from([127, 0, 0, host]))
}
