//! Compares the collector's release binary with bare servers, alternately in one run: server CPU per request, and the ratio.
//! Also measures the start and the size with a million instances in the store, and the cost of several members.
//!
//! `cargo bench -p rollcall-tests --bench load -- [FILTER ...] [--rounds N] [--seconds S] [--control] [--save]`
//!
//! The figures of one machine do not apply to another machine, and throughput means little on a machine that also runs the load.
//! The overhead of the collector is the ratio of its CPU time per request to that of bare hyper or tonic in the same minute. No
//! test depends on the figures.

mod bare;
mod comparison;
mod members;
mod options;
mod report;
mod scenario;
mod server;
mod start_up;

use clap::Parser;

use options::{Command, Options};
use report::Report;
use scenario::SCENARIOS;

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match &options.command {
        Some(Command::BareHyper(reply)) => runtime.block_on(bare::hyper(reply)),
        Some(Command::BareTonic) => runtime.block_on(bare::tonic()),
        None => runtime.block_on(measure(&options)),
    }
}

async fn measure(options: &Options) {
    let mut report = Report::default();
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| options.wants(scenario.name))
    {
        eprintln!("measuring: {}", scenario.name);
        report
            .comparisons
            .push(comparison::run(scenario, options).await);
    }
    if !options.control && options.wants(start_up::NAME) {
        eprintln!("measuring: {}", start_up::NAME);
        report.start_up = Some(start_up::run().await);
    }
    if !options.control && options.wants(members::NAME) {
        eprintln!("measuring: {}", members::NAME);
        report.members = members::run(options).await;
    }
    println!("{report}");
    let compared = report.comparisons.len();
    if options.save {
        assert!(
            compared == 0 || compared == SCENARIOS.len(),
            "the filters selected {compared} of {} scenarios: nothing is saved",
            SCENARIOS.len()
        );
        report.save();
    }
}
