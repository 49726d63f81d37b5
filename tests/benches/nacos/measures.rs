//! The rows of the table, and how one round measures them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use rollcall_tests::nacos::Connection;

use crate::{
    calls::{self, batch},
    fan_out,
    options::Options,
    servers::{Kind, Server},
};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// The largest allowed ratio to r-nacos, or the largest allowed value.
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Ratio(f64),
    Value(f64),
    None,
}

/// The values of one round, in the order of [`MEASURES`]; a row that was not measured is `NAN`.
pub(crate) type Round = [f64; MEASURES.len()];

pub(crate) const MEASURES: [Measure; 10] = [
    cpu("list of 200 hosts over HTTP", 0.1),
    cpu("list of 50 hosts over HTTP", 0.1),
    cpu("register a new instance over HTTP", 0.5),
    cpu("register an instance again over HTTP", 0.5),
    cpu("beat over HTTP", 0.5),
    cpu("register over gRPC", 0.5),
    Measure {
        name: "resident memory for an instance of a batch",
        unit: "B",
        goal: Goal::Ratio(0.5),
    },
    Measure {
        name: "CPU, a change with its pushes to 1,000 subscribers",
        unit: "ms",
        goal: Goal::None,
    },
    Measure {
        name: "a change reaches the first of 1,000 subscribers",
        unit: "ms",
        goal: Goal::None,
    },
    Measure {
        name: "a change reaches the last of 1,000 subscribers",
        unit: "ms",
        goal: Goal::Value(100.0),
    },
];

const fn cpu(name: &'static str, most: f64) -> Measure {
    Measure {
        name,
        unit: "µs",
        goal: Goal::Ratio(most),
    }
}

/// The number of connections, each of which registers a batch of [`BATCH`] instances.
const PROVIDERS: u8 = 200;
const BATCH: u8 = 200;
/// The pause before the memory of a server is read.
const SETTLING: Duration = Duration::from_secs(1);

/// The measured lists: the name of each service, and the answer of a collector.
pub(crate) type Lists = [(&'static str, Bytes); 2];

const SERVICES: [(&str, u8); 2] = [("bench.200", 200), ("bench.50", 50)];

/// Starts a collector, and returns its answers for the measured lists.
pub(crate) async fn lists(options: &Options) -> Lists {
    let server = Server::start(Kind::Collector, options).await;
    let provider = provide_lists(&server).await;
    let answers = join_all(SERVICES.map(|(service, _)| calls::answer(&server, service))).await;
    drop(provider);
    let answers = answers.try_into().expect("an answer for each service");
    let [first, second]: [Bytes; 2] = answers;
    [(SERVICES[0].0, first), (SERVICES[1].0, second)]
}

async fn provide_lists(server: &Server) -> Connection {
    let provider = calls::connection(server).await;
    for (network, (service, hosts)) in (0..).zip(SERVICES) {
        batch(&provider, service, network, hosts).await;
    }
    provider
}

/// Measures every selected row once. The bare servers send the answers in `lists`; they have no instances and push nothing.
pub(crate) async fn all(server: &Server, options: &Options, lists: &Lists) -> Round {
    let _provider = if server.kind == Kind::Bare {
        calls::store(server, lists).await;
        None
    } else {
        Some(provide_lists(server).await)
    };
    let mut round = [f64::NAN; MEASURES.len()];
    for (place, Measure { name, .. }) in MEASURES.iter().enumerate() {
        if options.wants(name) && round[place].is_nan() {
            measure(server, options.period(), place, &mut round).await;
        }
    }
    round
}

/// Measures the row at this place. The rows about a change (6 to 8) are measured together.
async fn measure(server: &Server, period: Duration, place: usize, round: &mut Round) {
    round[place] = match place {
        0 => calls::list(server, period, "bench.200", 20_000).await,
        1 => calls::list(server, period, "bench.50", 5_000).await,
        2 => calls::register(server, period).await,
        3 => calls::register_again(server, period).await,
        4 => calls::beat(server, period).await,
        5 => calls::register_over_grpc(server, period).await,
        _ if server.kind == Kind::Bare => f64::NAN,
        6 => memory(server).await,
        _ => {
            let fan_out::Cost { cpu, first, last } = fan_out::measure(server).await;
            round[7..].copy_from_slice(&[cpu, first, last]);
            return;
        }
    };
}

/// The growth of resident memory per instance, including its share of the connections.
async fn memory(server: &Server) -> f64 {
    let before = server.resident();
    let providers = join_all((0..PROVIDERS).map(|number| provider(server, number))).await;
    tokio::time::sleep(SETTLING).await;
    let growth = server.resident() - before;
    drop(providers);
    growth / (f64::from(PROVIDERS) * f64::from(BATCH))
}

async fn provider(server: &Server, number: u8) -> Connection {
    let connection = calls::connection(server).await;
    batch(&connection, &format!("memory.{number}"), number, BATCH).await;
    connection
}
