use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// Between two tries: short, as every test waits for at least one of these.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `attempt` until it answers `Ok`, and returns that.
///
/// For what can only be asked for, never announced. `attempt` says in its error what it saw instead.
///
/// # Panics
/// When `within` has passed, with the last error.
#[track_caller]
pub fn eventually<T, E: Debug>(
    within: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + within;
        loop {
            match attempt().await {
                Ok(value) => return value,
                Err(error) if Instant::now() >= deadline => {
                    panic!("{caller}: not within {within:?}: {error:?}")
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// Calls `check` again and again for the time of `period`; it panics by itself when the promise is broken.
///
/// For promises that something does *not* happen: an instance that stays up, an id that stays the same.
pub async fn holds_for(period: Duration, mut check: impl AsyncFnMut()) {
    let end = Instant::now() + period;
    while Instant::now() < end {
        check().await;
        tokio::time::sleep(PAUSE).await;
    }
}
