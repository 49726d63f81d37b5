//! Measures the console in a real browser with 100,000 instances, and takes the pictures of the documentation.
//!
//! `cargo bench -p rollcall-tests --bench console` prints the measurements as the text of `RESULTS.md`;
//! `cargo bench -p rollcall-tests --bench console -- --pictures` writes the pictures in `collector/docs/console`.

mod measure;
mod pictures;

use clap::Parser;

#[derive(Debug, Parser)]
struct Options {
    /// Takes the pictures instead.
    #[arg(long)]
    pictures: bool,
    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let Options { pictures, bench: _ } = Options::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if pictures {
        runtime.block_on(pictures::take());
    } else {
        runtime.block_on(measure::run());
    }
}
