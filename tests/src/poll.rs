use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// The pause between two attempts. It is short, because most tests wait for at least one pause.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `attempt` until it returns `Ok`, and returns the value.
///
/// It is for conditions that can only be polled. The error of `attempt` describes the state that was found.
///
/// # Panics
/// After `within`, with the last error.
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

/// Like [`eventually`], for a caller that handles the failure.
///
/// # Errors
/// The last error, after `within`.
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
