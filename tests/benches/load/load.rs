//! Callers that all call at once.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// Whoever calls a server again and again.
pub(crate) trait Caller: Send + 'static {
    /// Calls as long as there is `more` to do; returns how often.
    fn run(&mut self, more: impl FnMut() -> bool + Send) -> impl Future<Output = u64> + Send;
}

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) calls: f64,
    pub(crate) seconds: f64,
}

/// Lets all callers run for a while.
pub(crate) async fn put<C: Caller>(callers: &mut Vec<C>, period: Duration) -> Load {
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
