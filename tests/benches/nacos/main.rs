//! Compares the Nacos faces of the collector with r-nacos: the server's CPU time for a call, the memory of an instance, and the
//! delay of a change for a thousand subscribers.
//!
//! `cargo bench -p rollcall-tests --bench nacos -- [FILTER ...] [--rounds N] [--seconds N] [--rnacos PATH] [--save] [--deaf]`
//!
//! Each round starts both release binaries and the bare servers, one after the other, and measures all rows; the order
//! alternates. The bare servers only decode a call and send the same bytes: their cost is the floor for a server on hyper and
//! tonic.
//!
//! r-nacos is installed with cargo outside of this repository, unless a path is given. r-nacos sometimes uses whole cores without
//! clients. A round in which a server does so before or after its measurement is discarded, and the report counts these rounds.

mod bare;
mod calls;
mod deaf;
mod fan_out;
mod measures;
mod options;
mod report;
mod servers;

use clap::Parser;

use measures::{Lists, Round};
use options::Options;
use report::Report;
use servers::{Kind, Server};

/// The largest number of attempts at one measurement of a server that uses the CPU without clients.
const ATTEMPTS: usize = 3;

#[tokio::main]
async fn main() {
    let options = Options::parse();
    if options.bare {
        return bare::serve().await;
    }
    if options.deaf {
        return deaf::run(&options).await;
    }
    let lists = measures::lists(&options).await;
    let mut report = Report::default();
    for round in 0..options.rounds {
        let mut kinds = Kind::ALL;
        if round % 2 == 1 {
            kinds.reverse();
        }
        for kind in kinds {
            eprintln!("round {} of {}: {}", round + 1, options.rounds, kind.name());
            match measured(kind, &options, &lists).await {
                (Some(round), discarded) => report.add(kind, round, discarded),
                (None, discarded) => report.discard(kind, discarded),
            }
        }
    }
    println!("{report}");
    if options.save {
        report.save();
    }
}

/// One measurement of a server that was idle before and after it, if any, and the number of discarded measurements.
async fn measured(kind: Kind, options: &Options, lists: &Lists) -> (Option<Round>, usize) {
    for discarded in 0..ATTEMPTS {
        let server = Server::start(kind, options).await;
        if !server.is_idle().await {
            continue;
        }
        let round = measures::all(&server, options, lists).await;
        if server.is_idle().await {
            return (Some(round), discarded);
        }
        eprintln!(
            "{} is busy without clients: the round is discarded",
            kind.name()
        );
    }
    (None, ATTEMPTS)
}
