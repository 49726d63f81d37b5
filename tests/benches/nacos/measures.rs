//! The rows of the table, and how one round measures them.

use std::time::Duration;

use futures_util::future::join_all;
use rollcall_tests::nacos::Connection;

use crate::{
    calls::{self, batch},
    fan_out,
    servers::Server,
};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// The largest ratio to r-nacos, or the largest value.
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Ratio(f64),
    Value(f64),
    None,
}

/// The values of one round, in the order of [`MEASURES`].
pub(crate) type Round = [f64; MEASURES.len()];

pub(crate) const MEASURES: [Measure; 9] = [
    cpu("list of 200 hosts over HTTP", 0.1),
    cpu("list of 50 hosts over HTTP", 0.1),
    cpu("register over HTTP", 0.5),
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

/// Connections that register a batch of [`BATCH`] each.
const PROVIDERS: u8 = 200;
const BATCH: u8 = 200;
/// How long a server may take to settle before its memory is read.
const SETTLING: Duration = Duration::from_secs(1);

/// Measures everything once.
pub(crate) async fn all(server: &Server, period: Duration) -> Round {
    let provider = calls::connection(server).await;
    batch(&provider, "bench.200", 0, 200).await;
    batch(&provider, "bench.50", 1, 50).await;
    let list_200 = calls::list(server, period, "bench.200", 20_000).await;
    let list_50 = calls::list(server, period, "bench.50", 5_000).await;
    let register = calls::register(server, period).await;
    let beat = calls::beat(server, period).await;
    let grpc = calls::register_over_grpc(server, period).await;
    let memory = memory(server).await;
    let fan_out::Cost { cpu, first, last } = fan_out::measure(server).await;
    [
        list_200, list_50, register, beat, grpc, memory, cpu, first, last,
    ]
}

/// The growth of resident memory for each instance, with its share of the connections.
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
