//! Callers that load a server concurrently.

use std::{
    mem,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time};

use super::pace::Delays;

/// A client that calls a server repeatedly.
pub trait Caller: Send + 'static {
    /// Calls while there is `more` to do, and returns the number of calls.
    fn run(&mut self, more: impl FnMut() -> bool + Send) -> impl Future<Output = u64> + Send;

    /// Makes one call.
    fn once(&mut self) -> impl Future<Output = ()> + Send {
        let mut first = true;
        async move {
            self.run(|| mem::take(&mut first)).await;
        }
    }
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

/// Lets all callers together make `rate` calls a second for `period`. A delay begins when a call is due, so it includes the wait
/// for an earlier call of the same caller, and up to a millisecond of the runtime's timer.
///
/// # Panics
/// When a caller panics.
pub async fn pace<C: Caller>(callers: &mut Vec<C>, rate: f64, period: Duration) -> Delays {
    let start = Instant::now();
    let share = 1.0 / rate;
    let pause = Duration::from_secs_f64(callers.len() as f64 * share);
    let mut running = JoinSet::new();
    for (place, mut caller) in callers.drain(..).enumerate() {
        let mut due = start + Duration::from_secs_f64(place as f64 * share);
        running.spawn(async move {
            let mut delays = Vec::new();
            while due < start + period {
                time::sleep_until(due.into()).await;
                caller.once().await;
                delays.push(due.elapsed());
                due += pause;
            }
            (caller, delays)
        });
    }
    let mut delays = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (caller, own) = ended.expect("a caller does not panic");
        callers.push(caller);
        delays.extend(own);
    }
    Delays::of(delays)
}
