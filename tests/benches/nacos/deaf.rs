//! Measures a hundred thousand subscribers over UDP that never acknowledge a push, and the delay for one honest subscriber.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use rollcall_tests::nacos::Http;

use crate::{
    calls::{self, change, subscribe},
    fan_out::{milliseconds, pushed},
    options::Options,
    report::median,
    servers::{Kind, Server},
};

/// The number of subscribers at each address, and the number of addresses from 127.0.0.1 on.
const PORTS: u16 = 20_000;
const ADDRESSES: u16 = 5;
const CONCURRENCY: usize = 32;
const SERVICE: &str = "bench.deaf";
/// The number of measured changes, and the time between them. The collector sends each push twice, ten seconds apart.
const CHANGES: u64 = 5;
const PAUSE: Duration = Duration::from_secs(3);

/// Measures the collector and prints the result.
pub(crate) async fn run(options: &Options) {
    let server = Server::start(Kind::Collector, options).await;
    let before = server.resident();
    let (start, cpu) = (Instant::now(), server.cpu());
    let subscribers = (0..ADDRESSES).flat_map(|ip| (0..PORTS).map(move |port| (ip + 1, port)));
    let http = Http::new(server.faces.http);
    stream::iter(subscribers)
        .map(|(ip, port)| poll(&http, ip, port + 40_000))
        .buffer_unordered(CONCURRENCY)
        .for_each(async |()| {})
        .await;
    println!(
        "100,000 subscribers: {:.1} s, {:.1} s of CPU, {:.0} MiB",
        start.elapsed().as_secs_f64(),
        (server.cpu() - cpu).as_secs_f64(),
        (server.resident() - before) / MIB
    );
    let (provider, mut honest) = (
        calls::connection(&server).await,
        calls::connection(&server).await,
    );
    change(&provider, SERVICE, 1, 1).await;
    subscribe(&honest, SERVICE).await;
    let mut delays = Vec::new();
    let cpu = server.cpu();
    for weight in 2..2 + CHANGES {
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        let expected = format!("\"weight\":{weight}.0");
        let changed = change(&provider, SERVICE, 1, weight);
        let ((), delay) = tokio::join!(changed, pushed(&mut honest, &expected, start));
        delays.push(milliseconds(Some(&delay)));
    }
    tokio::time::sleep(Duration::from_secs(25)).await;
    println!(
        "{CHANGES} changes: the honest subscriber has one after {:.1} ms (at most {:.1} ms), {:.1} s of CPU in all, {:.0} MiB",
        median(delays.clone()),
        delays.iter().copied().fold(0.0, f64::max),
        (server.cpu() - cpu).as_secs_f64(),
        (server.resident() - before) / MIB
    );
}

const MIB: f64 = 1024.0 * 1024.0;

async fn poll(http: &Http, ip: u16, port: u16) {
    let list = format!(
        "/nacos/v1/ns/instance/list?serviceName={SERVICE}&udpPort={port}&clientIP=127.0.0.{ip}"
    );
    let agent = (
        "User-Agent".to_owned(),
        "Nacos-Java-Client:v1.4.2".to_owned(),
    );
    let reply = http
        .call("GET", &list, None, &BTreeMap::from([agent]))
        .await;
    assert_eq!(reply.expect("a reply").status, 200);
}
