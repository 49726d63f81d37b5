//! Opens as many idle gRPC connections as the limit of open files allows, and measures the cost of keeping them alive.

use std::time::{Duration, Instant};

use rollcall_tests::process::{Collector, cpu_time};
use tokio::time::sleep;

use super::{
    Options,
    connections::{Kind, collector, open},
};

/// The measured minute, in which each idle HTTP/2 connection has two pings.
const MINUTE: Duration = Duration::from_secs(60);
/// The largest number of Nacos clients, because each takes more memory in this process.
const MOST_NACOS: u64 = 10_000;

/// The measurements of one kind of client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) kind: Kind,
    /// The number of connections, and the seconds until all were open.
    pub(crate) connections: usize,
    pub(crate) opening: f64,
    /// Resident memory of each connection, in bytes.
    pub(crate) resident: f64,
    /// CPU time of each connection, in microseconds per minute.
    pub(crate) cpu: f64,
}

/// Measures both kinds, one after the other.
pub(crate) async fn measure(options: &Options) -> Vec<Held> {
    let mut held = Vec::new();
    for (kind, most) in [(Kind::SkyWalking, u64::MAX), (Kind::Nacos, MOST_NACOS)] {
        let count = usize::try_from(options.connections.min(most)).expect("a limit of descriptors");
        let count = if options.is_quick() { 20 } else { count };
        eprintln!("keepalives: {count} connections, {}", kind.name());
        held.push(hold(kind, count, options).await);
    }
    held
}

async fn hold(kind: Kind, count: usize, options: &Options) -> Held {
    let server = collector(options).await;
    // This collector shows the CPU time of a collector without connections, which is subtracted.
    let idle = Collector::options().on_disk().start().await;
    let (start, before) = (Instant::now(), server.0.resident_bytes());
    let clients = open(kind, &server, count).await;
    let opening = start.elapsed().as_secs_f64();
    let settling = if options.is_quick() { 10 } else { 2_000 };
    sleep(Duration::from_millis(settling)).await;
    let resident = server.0.resident_bytes().saturating_sub(before) as f64;
    let cpu = || [server.0.id(), idle.id()].map(cpu_time);
    let [own, idle_before] = cpu();
    let period = if options.is_quick() {
        MINUTE / 200
    } else {
        MINUTE
    };
    sleep(period).await;
    let [own_after, idle_after] = cpu();
    let spent = (own_after - own).saturating_sub(idle_after - idle_before);
    drop(clients);
    let each = spent.as_secs_f64() * 1e6 / count as f64;
    Held {
        kind,
        connections: count,
        opening,
        resident: resident / count as f64,
        cpu: each * MINUTE.as_secs_f64() / period.as_secs_f64(),
    }
}
