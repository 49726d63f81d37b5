//! The delays that agents see at a collector with 100,000 instances: while all of them become silent at once (`silence`), and while
//! pages of the console are open (`pages`).
//!
//! `cargo bench -p rollcall-tests --bench operator -- [silence|pages] [--rounds N] [--seconds N] [--save]`
//!
//! Each part starts its own release binary. Agents that request the list of collectors at a fixed rate measure the delay; the
//! kernel counts the processor time of the collector. All processes share one machine, so only the differences between the columns
//! of a table are meaningful.

mod fleet;
mod pages;
mod process;
mod silence;
mod spin;

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Parser)]
struct Options {
    /// The parts to measure. Without any, all parts are measured.
    parts: Vec<Part>,
    /// The number of rounds of each kind: without pages, with pages, and beside another process.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The duration of one round, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Also writes the results to their sections of `tests/benches/RESULTS.md`.
    #[arg(long)]
    save: bool,
    /// Runs the other process of the part `pages` instead of the benchmark: it uses this part of one processor, in thousandths,
    /// until it is killed.
    #[arg(long, hide = true)]
    spin: Option<u32>,
    /// Runs the open pages of the part `pages` instead of the benchmark: it reads the console at this address until it is killed.
    #[arg(long, hide = true)]
    open: Option<SocketAddr>,
    /// Ignored. Cargo passes this option to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Silence,
    Pages,
}

fn main() {
    let options = Options::parse();
    if let Some(part) = options.spin {
        spin::run(part);
    }
    if let Some(server) = options.open {
        // One thread, whose priority `keep_open` lowers.
        let runtime = Builder::new_current_thread().enable_all().build();
        return runtime
            .expect("a runtime")
            .block_on(pages::keep_open(server));
    }
    let runtime = Runtime::new().expect("a runtime");
    let wants = |part| options.parts.is_empty() || options.parts.contains(&part);
    let show = |section, text: String| {
        println!("{text}");
        if options.save {
            rollcall_tests::results::save(section, &text);
        }
    };
    if wants(Part::Silence) {
        show("mass_silence", runtime.block_on(silence::run()));
    }
    if wants(Part::Pages) {
        show("pages", runtime.block_on(pages::run(&options)));
    }
}
