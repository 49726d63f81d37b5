//! A catalog for tests, of this crate and of the faces.

use std::sync::Arc;

use rollcall_domain::{Moment, Timestamp};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Catalog, Clock, Config, EventSink, NoEvents, open,
    store::{Error, Memory},
};

/// Tokio's clock, which a test with paused time moves. Its wall clock starts at 2023-11-14T22:13:20Z.
#[derive(Clone, Copy, Debug)]
pub struct TestClock {
    start: Instant,
}

/// A catalog whose workers run until this is dropped.
#[derive(Debug)]
pub struct Running {
    /// The catalog.
    pub catalog: Catalog,
    /// The store of the catalog; a second catalog can be started on it.
    pub store: Memory,
    cancel: CancellationToken,
    workers: JoinHandle<Result<(), Error>>,
}

impl TestClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment::from_millis(0).after(self.start.elapsed())
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + self.now().millis())
    }
}

impl Running {
    /// An empty catalog in memory with the default configuration.
    #[must_use]
    pub fn start() -> Self {
        Self::with(Config::default(), Memory::default(), Arc::new(NoEvents))
    }

    /// A catalog on a store.
    ///
    /// # Panics
    /// The store cannot be read.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no task set; the handle is kept and aborted"
    )]
    #[expect(clippy::unwrap_used, reason = "a test ends here")]
    pub fn with(config: Config, store: Memory, events: Arc<dyn EventSink>) -> Self {
        let clock = Arc::new(TestClock::start());
        let (catalog, workers) = open(config, clock, store.clone().into(), events).unwrap();
        let cancel = CancellationToken::new();
        let workers = tokio::spawn(workers.run(cancel.clone()));
        Self {
            catalog,
            store,
            cancel,
            workers,
        }
    }

    /// Stops the workers after waiting changes are written.
    ///
    /// # Errors
    /// A worker panicked.
    pub async fn stop(mut self) -> Result<Memory, tokio::task::JoinError> {
        self.cancel.cancel();
        let ended = (&mut self.workers).await?;
        debug_assert!(ended.is_ok(), "{ended:?}");
        Ok(self.store.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.workers.abort();
    }
}
