//! Measures heartbeats, pages of lists and searches while all instances are up.

use std::time::{Duration, Instant};

use rollcall_tests::{
    bench::{
        Rounds,
        load::{self, Load},
        registration::{self, Call, Caller},
    },
    http,
    process::{Collector, cpu_time},
};
use serde_json::Value;

use super::{Fleet, Options, store::Store};

/// The numbers of callers of one collector, and of the connections that they share.
const CALLERS: usize = 64;
const CONNECTIONS: usize = 8;

/// The number of pages that one round reads, and the number of instances on each page.
const PAGES: usize = 200;
const PAGE: usize = 100;
/// The smallest plausible size of a page with [`PAGE`] instances, in bytes.
const LEAST: usize = 20_000;

/// The measurements of one fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calm {
    /// CPU time of a heartbeat, in microseconds.
    pub(crate) heartbeat: Rounds,
    /// CPU time and duration of the request for one page of the list of all instances, in milliseconds.
    pub(crate) page: Rounds,
    pub(crate) page_takes: Rounds,
    /// CPU time and duration of a search of all instances for a text that no name contains, in milliseconds.
    pub(crate) search: Rounds,
    pub(crate) search_takes: Rounds,
}

/// Measures the collectors of all fleets in turn, round by round.
pub(crate) async fn measure(
    fleets: &mut [(Fleet, Store)],
    running: &[Collector],
    options: &Options,
) {
    let mut callers = Vec::new();
    for ((fleet, _), collector) in fleets.iter().zip(running) {
        let call = Call::HeartbeatOf(fleet.size);
        let grpc = collector.listeners().grpc;
        callers.push(registration::connect(grpc, call, CALLERS, CONNECTIONS, 0).await);
    }
    let period = Duration::from_secs_f64(options.seconds);
    for round in 0..=options.rounds {
        eprintln!("heartbeats and lists: round {round} of {}", options.rounds);
        for at in in_turn(round, running.len()) {
            let (collector, calm) = (&running[at], &mut fleets[at].0.calm);
            let heartbeat = heartbeats(collector, &mut callers[at], period).await;
            let page = page(collector).await;
            let search = search(collector).await;
            // The first round only warms up, so it does not count.
            if round > 0 || options.quick {
                calm.heartbeat.add(heartbeat);
                calm.page.add(page.cpu);
                calm.page_takes.add(page.takes);
                calm.search.add(search.cpu);
                calm.search_takes.add(search.takes);
            }
        }
    }
}

/// The order of the collectors in this round. Every second round is reversed, so that a gradual change of the machine's speed
/// affects all of them equally.
fn in_turn(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..count).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

async fn heartbeats(collector: &Collector, callers: &mut Vec<Caller>, period: Duration) -> f64 {
    let before = cpu_time(collector.id());
    let Load { calls, .. } = load::put(callers, period).await;
    (cpu_time(collector.id()) - before).as_secs_f64() * 1e6 / calls
}

/// The cost of one read, in milliseconds.
struct Read {
    cpu: f64,
    takes: f64,
}

/// Reads one page after another from the first one on, as a script does.
async fn page(collector: &Collector) -> Read {
    let client = collector.http(collector.listeners().ui);
    let first = format!("/api/instances?limit={PAGE}");
    let mut path = first.clone();
    read(collector, PAGES, async || {
        let reply = get(&client, &path).await;
        let page: Value = reply.json();
        let items = page["items"].as_array().map_or(0, Vec::len);
        path = match page["next"].as_str() {
            Some(next) => {
                assert!(items == PAGE && reply.body.len() > LEAST, "{items} items");
                format!("{first}&cursor={next}")
            }
            None => first.clone(),
        };
    })
    .await
}

/// The client stops waiting after ten seconds; then these ten seconds are the duration.
async fn search(collector: &Collector) -> Read {
    let client = collector.http(collector.listeners().ui);
    read(collector, 1, async || {
        let path = "/api/instances?text=no-such-name&limit=100";
        let answer = client.get(path).await;
        assert!(answer.is_err() || answer.is_ok_and(|reply| reply.status == 200));
    })
    .await
}

async fn read(collector: &Collector, times: usize, mut once: impl AsyncFnMut()) -> Read {
    let (start, before) = (Instant::now(), cpu_time(collector.id()));
    for _ in 0..times {
        once().await;
    }
    let (takes, cpu) = (start.elapsed(), cpu_time(collector.id()) - before);
    let each = |all: Duration| all.as_secs_f64() * 1e3 / times as f64;
    Read {
        cpu: each(cpu),
        takes: each(takes),
    }
}

async fn get(client: &http::Client, path: &str) -> http::Reply {
    let reply = client.get(path).await.expect("an answer");
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}
