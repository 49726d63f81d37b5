//! Measures the console in a real browser with 100,000 instances, and takes the pictures of the documentation.
//!
//! `cargo bench -p rollcall-tests --bench console` prints the measurements, and writes them to their section of `RESULTS.md` with
//! `--save`; `cargo bench -p rollcall-tests --bench console -- --pictures` writes the pictures in `collector/docs/console`.

mod measure;
mod pictures;

use clap::Parser;

#[derive(Debug, Parser)]
struct Options {
    /// Takes the pictures instead of measuring.
    #[arg(long)]
    pictures: bool,
    /// Also writes the measurements to their section of `tests/benches/RESULTS.md`.
    #[arg(long, conflicts_with = "pictures")]
    save: bool,
    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let Options {
        pictures,
        save,
        bench: _,
    } = Options::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if pictures {
        runtime.block_on(pictures::take());
    } else {
        let text = runtime.block_on(measure::run());
        println!("{text}");
        if save {
            rollcall_tests::results::save("console", &text);
        }
    }
}
