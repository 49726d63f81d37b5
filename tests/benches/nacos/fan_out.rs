//! Measures the delay of a change for many subscribers.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream};
use rollcall_tests::nacos::Connection;

use crate::{
    calls::{self, change, subscribe},
    report::median,
    servers::Server,
};

const SUBSCRIBERS: usize = 1_000;
/// The number of subscribers that connect at the same time.
const CONNECTING: usize = 16;
/// The number of measured changes.
const CHANGES: u64 = 7;
/// The time between two changes, in which all pushes and acknowledgements are done.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest wait for a push.
const PATIENCE: Duration = Duration::from_secs(20);

/// The cost of a change, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The mean CPU time of the server, including all pushes and acknowledgements.
    pub(crate) cpu: f64,
    /// The medians of the delays until the first and the last subscriber have received the push.
    pub(crate) first: f64,
    pub(crate) last: f64,
}

/// Measures the time from the call of the provider until a subscriber has read the push.
pub(crate) async fn measure(server: &Server) -> Cost {
    let provider = calls::connection(server).await;
    change(&provider, "bench.fan", 1, 1).await;
    let subscribers = stream::iter(0..SUBSCRIBERS).map(|_| subscriber(server));
    let subscribers = subscribers.buffer_unordered(CONNECTING);
    let mut subscribers: Vec<_> = subscribers.collect().await;
    let (mut first, mut last) = (Vec::new(), Vec::new());
    tokio::time::sleep(PAUSE).await;
    let before = server.cpu();
    for weight in 2..2 + CHANGES {
        let start = Instant::now();
        let expected = format!("\"weight\":{weight}.0");
        let waiting = subscribers
            .iter_mut()
            .map(|subscriber| pushed(subscriber, &expected, start));
        let changed = change(&provider, "bench.fan", 1, weight);
        let ((), delays) = tokio::join!(changed, join_all(waiting));
        first.push(milliseconds(delays.iter().min()));
        last.push(milliseconds(delays.iter().max()));
        tokio::time::sleep(PAUSE).await;
    }
    let cpu = (server.cpu() - before).as_secs_f64() * 1e3;
    Cost {
        cpu: cpu / CHANGES as f64,
        first: median(first),
        last: median(last),
    }
}

async fn subscriber(server: &Server) -> Connection {
    let connection = calls::connection(server).await;
    subscribe(&connection, "bench.fan").await;
    connection
}

/// The delay until a subscriber has received a push with this text.
pub(crate) async fn pushed(
    subscriber: &mut Connection,
    expected: &str,
    start: Instant,
) -> Duration {
    loop {
        let push = subscriber.receive(PATIENCE).await.expect("a push");
        if push.body.contains(expected) {
            return start.elapsed();
        }
    }
}

pub(crate) fn milliseconds(delay: Option<&Duration>) -> f64 {
    delay.expect("a subscriber").as_secs_f64() * 1e3
}
