//! Callers that load a server concurrently.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// A client that calls a server repeatedly.
pub trait Caller: Send + 'static {
    /// Calls while there is `more` to do, and returns the number of calls.
    fn run(&mut self, more: impl FnMut() -> bool + Send) -> impl Future<Output = u64> + Send;
}

/// The result of a load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The number of answered calls.
    pub calls: f64,
    /// The time until the last caller ended.
    pub seconds: f64,
}

/// Runs all callers concurrently for `period`.
///
/// # Panics
/// When a caller panics.
pub async fn put<C: Caller>(callers: &mut Vec<C>, period: Duration) -> Load {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for mut caller in callers.drain(..) {
        running.spawn(async move {
            let calls = caller.run(|| start.elapsed() < period).await;
            (caller, calls)
        });
    }
    let mut calls = 0;
    while let Some(ended) = running.join_next().await {
        let (caller, own) = ended.expect("a caller does not panic");
        callers.push(caller);
        calls += own;
    }
    Load {
        calls: calls as f64,
        seconds: start.elapsed().as_secs_f64(),
    }
}
