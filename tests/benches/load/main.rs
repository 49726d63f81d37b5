//! The collector's release binary beside servers that do nothing, in turn, in one run: server CPU per request, and the
//! ratio. And how soon it is ready, and how large it is, with a million instances in its store; and what it costs to be many.
//!
//! `cargo bench -p rollcall-tests --bench load -- [FILTER ...] [--rounds N] [--seconds S] [--control] [--save]`
//!
//! A figure of one machine says little about another, and throughput on a machine that runs the load as well says little
//! at all. What a server's process spends on a request, divided by what bare hyper or tonic spends on the same request in
//! the same minute, says what the collector adds. No test depends on any of it.

mod bare;
mod comparison;
mod load;
mod members;
mod naming;
mod options;
mod registration;
mod report;
mod scenario;
mod server;
mod start_up;
mod usage;

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
    if options.save {
        report.save();
    }
}
