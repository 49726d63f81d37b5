//! Writes in which states instances are, and when they were last seen.

use rollcall_domain::InstanceId;
use tokio::time::timeout_at;

use super::{Error, Handle};
use crate::write_back::Write;

impl Handle {
    /// Writes the leases of these instances, and returns once that is durable.
    ///
    /// # Errors
    /// The store did not accept the write.
    pub(crate) async fn record(&self, instances: Vec<InstanceId>) -> Result<(), Error> {
        self.record_and(instances, |written| written).await
    }

    /// As [`Handle::record`], for changes of state. If the caller gives up, the writer ends the write nevertheless.
    ///
    /// # Errors
    /// The store did not accept the write. The instances are then pending again.
    pub(crate) async fn record_changes(&self, changes: Write) -> Result<(), Error> {
        let instances = changes.begin();
        let settle = |written: Result<(), Error>| written.map(|()| changes.succeeded());
        self.record_and(instances, settle).await
    }

    /// As [`Handle::record_changes`], for a caller that waits at most until the deadline of a registration.
    ///
    /// # Errors
    /// The store did not accept the write in time.
    pub(crate) async fn record_soon(&self, changes: Write) -> Result<(), Error> {
        timeout_at(self.due(), self.record_changes(changes))
            .await
            .unwrap_or(Err(Error::DeadlineExceeded))
    }

    /// As [`Handle::record`]; returns the result of `settle`, which the writer calls with the result of the write also if the
    /// caller has given up. If the writer ends before it writes, it drops `settle`.
    ///
    /// # Errors
    /// That of `settle`, or [`Error::Stopped`] or [`Error::Overloaded`].
    pub(crate) async fn record_and<T: Send + 'static>(
        &self,
        instances: Vec<InstanceId>,
        settle: impl FnOnce(Result<(), Error>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.shared.queue.record(instances, settle).await
    }
}
