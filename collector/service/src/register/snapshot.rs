//! The request for a snapshot of the store, which the writer takes between two batches.
//!
//! A request occupies no place in the queue, so it succeeds while the queue is full. It replaces an earlier one that still waits.

use std::time::Duration;

use parking_lot::Mutex;
use rollcall_storage::{self as storage, Snapshot, Storage};
use tokio::{
    sync::oneshot::{self, Receiver, Sender},
    time::timeout,
};

use super::{Error, Handle};

/// The longest wait for the end of the batch under way.
const PATIENCE: Duration = Duration::from_secs(30);

type Taken = Result<Option<Snapshot>, storage::Error>;
/// Completes with the snapshot.
pub(super) type Asked = Receiver<Taken>;

/// The caller that waits for a snapshot.
#[derive(Debug, Default)]
pub(super) struct Wanted(Mutex<Option<Sender<Taken>>>);

impl Wanted {
    pub(super) fn ask(&self) -> Asked {
        let (sender, receiver) = oneshot::channel();
        *self.0.lock() = Some(sender);
        receiver
    }

    /// Takes the snapshot, if a caller waits for one.
    pub(super) fn serve(&self, storage: &dyn Storage) {
        let Some(caller) = self.0.lock().take() else {
            return;
        };
        if caller.send(storage.snapshot()).is_err() {
            tracing::debug!("the caller of a snapshot gave up");
        }
    }
}

impl Handle {
    /// The state of the store between two batches, at some time after this call began. It has every id that any caller received
    /// before the call. `None` if the store has no snapshots.
    ///
    /// # Errors
    /// The reason as a sentence: the store cannot be read, or the writer does not answer.
    pub(crate) async fn snapshot(&self) -> Result<Option<Snapshot>, String> {
        let asked = self.shared.queue.ask_for_snapshot();
        match timeout(PATIENCE, asked).await {
            Ok(Ok(taken)) => taken.map_err(|error| error.to_string()),
            Ok(Err(oneshot::error::RecvError { .. })) => Err(Error::Stopped.to_string()),
            Err(_elapsed) => Err(format!("the writer did not answer within {PATIENCE:?}")),
        }
    }
}
