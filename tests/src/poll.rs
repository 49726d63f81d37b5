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
    attempt: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        until(within, attempt)
            .await
            .unwrap_or_else(|error| panic!("{caller}: not within {within:?}: {error:?}"))
    }
}

/// As [`eventually`], for a caller that goes on when it does not happen.
///
/// # Errors
/// The last error, when `within` has passed.
pub async fn until<T, E>(
    within: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let deadline = Instant::now() + within;
    loop {
        match attempt().await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            result => return result,
        }
    }
}
