//! Agents that request the list of collectors at a fixed rate and measure the delay of the answers.
//!
//! The delays show how a collector's other work affects its agents.

use std::{
    mem,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// The number of agents, each with its own connection.
const CALLERS: usize = 8;
/// The time between two requests of one agent.
const PACE: Duration = Duration::from_millis(10);

/// The running agents. They stop when this value is dropped.
#[derive(Debug)]
pub struct Load {
    delays: Arc<Mutex<Vec<Duration>>>,
    callers: JoinSet<()>,
}

/// Delays in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// The answered requests.
    pub calls: usize,
    /// The median delay.
    pub median: f64,
    /// The delay that 99 of 100 answers do not exceed.
    pub p99: f64,
    /// The longest delay.
    pub most: f64,
}

impl Load {
    /// Starts the agents, which call the naming listener `server`.
    #[must_use]
    pub fn start(server: SocketAddr) -> Self {
        let delays = Arc::default();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(call(server, Arc::clone(&delays)));
        }
        Self { delays, callers }
    }

    /// The delays since the last call of this method.
    ///
    /// # Panics
    /// When an agent has ended, because the load is then lower than it seems.
    pub fn take(&mut self) -> Delays {
        if let Some(ended) = self.callers.try_join_next() {
            panic!("an agent has ended: {ended:?}");
        }
        let delays = mem::take(&mut *self.delays.lock());
        Delays::of(delays)
    }
}

impl Delays {
    pub(super) fn of(mut delays: Vec<Duration>) -> Self {
        delays.sort_unstable();
        let at = |part: usize| {
            let place = (delays.len() * part / 1000).min(delays.len().saturating_sub(1));
            delays
                .get(place)
                .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e3)
        };
        Self {
            calls: delays.len(),
            median: at(500),
            p99: at(990),
            most: at(1000),
        }
    }
}

async fn call(server: SocketAddr, delays: Arc<Mutex<Vec<Duration>>>) {
    let mut stream = TcpStream::connect(server).await.expect("a connection");
    stream.set_nodelay(true).expect("a connected socket");
    let request = format!("GET /agent/gRPC HTTP/1.1\r\nhost: {server}\r\n\r\n");
    let mut buffer = vec![0; 4096];
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let start = Instant::now();
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("writing a request");
        // The answer has a few hundred bytes, which the server writes at once.
        let read = stream.read(&mut buffer).await.expect("reading an answer");
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200 "), "not a list");
        delays.lock().push(start.elapsed());
    }
}
