//! Measures the memory of idle connections.

use std::{net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, stream};
use rollcall_tests::{
    bench::{Rounds, naming, registration},
    nacos::{self, Connection, Faces},
    process::Collector,
};
use tokio::time::sleep;

use super::{Options, source};

/// The number of connections of one kind in a round.
const COUNT: usize = 4_000;
/// The number of connections that are opened at the same time.
const CONCURRENCY: usize = 64;
/// The time in which a server finishes its work for new connections.
const SETTLING: Duration = Duration::from_secs(1);

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client that has requested the list of collectors over HTTP/1.1.
    Http1,
    /// A client that has registered its application and its instance over gRPC.
    SkyWalking,
    /// A client that has opened its stream, introduced itself and made a call.
    Nacos,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::SkyWalking, Self::Nacos];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1, after a naming GET",
            Self::SkyWalking => "SkyWalking gRPC, registered",
            Self::Nacos => "Nacos gRPC, with its stream",
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum Client {
    Http1 { _client: naming::Caller },
    SkyWalking { _client: Box<registration::Caller> },
    Nacos { _client: Connection },
}

/// A collector that accepts as many connections as the limit of open files allows.
pub(crate) async fn collector(options: &Options) -> (Collector, Faces) {
    let most = options.connections + 100;
    let server = Collector::options()
        .on_disk()
        .env("SW_TIMELINE_PER_PEER", "100000000")
        .env("SW_SERVER_MAX_CONNECTIONS", most.to_string())
        .env("SW_SERVER_MAX_CONNECTIONS_PER_PEER", most.to_string())
        // With these terms, no liveness work falls into the measurement of idle connections.
        .env("SW_LIVENESS_SILENT_AFTER", "1h")
        .env("SW_LIVENESS_DOWN_AFTER", "2h");
    let (mut collector, faces) = nacos::collector(server).await;
    collector.expect_log("this collector stalled");
    (collector, faces)
}

/// Opens `count` connections.
pub(crate) async fn open(
    kind: Kind,
    (collector, faces): &(Collector, Faces),
    count: usize,
) -> Vec<Client> {
    let listeners = collector.listeners();
    let server = match kind {
        Kind::Http1 => listeners.naming,
        Kind::SkyWalking => listeners.grpc,
        Kind::Nacos => faces.grpc,
    };
    stream::iter(0..count)
        .map(|number| client(kind, server, number))
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await
}

async fn client(kind: Kind, server: SocketAddr, number: usize) -> Client {
    let source = source(number);
    match kind {
        Kind::Http1 => Client::Http1 {
            _client: naming::Caller::connect_from(source, server).await,
        },
        Kind::SkyWalking => Client::SkyWalking {
            _client: Box::new(registration::Caller::registered(source, server).await),
        },
        Kind::Nacos => {
            let mut connection = Connection::open_from(source, server).await;
            connection.introduce().await;
            Client::Nacos {
                _client: connection,
            }
        }
    }
}

/// Measures the resident memory of an idle connection of each kind in bytes, with a new collector for each round.
pub(crate) async fn measure(options: &Options) -> Vec<(Kind, Rounds)> {
    let mut measured = Kind::ALL.map(|kind| (kind, Rounds::default()));
    for round in 0..options.rounds() {
        eprintln!(
            "idle connections: round {} of {}",
            round + 1,
            options.rounds()
        );
        for (kind, rounds) in &mut measured {
            let server = collector(options).await;
            let most = usize::try_from(options.connections).unwrap_or(COUNT);
            let count = options.count(COUNT).min(most);
            // The first connections make the collector allocate memory that all connections share.
            let first = open(*kind, &server, 64).await;
            sleep(SETTLING / 2).await;
            let before = server.0.resident_bytes();
            let clients = open(*kind, &server, count).await;
            sleep(SETTLING).await;
            let after = server.0.resident_bytes();
            rounds.add(after.saturating_sub(before) as f64 / count as f64);
            drop((first, clients));
        }
    }
    measured.into()
}
