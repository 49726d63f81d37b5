//! Writes in which states instances are, and when they were last seen.

use rollcall_domain::InstanceId;
use tokio::time::timeout_at;

use super::{Error, Handle};

impl Handle {
    /// Writes the leases of these instances, and returns once that is durable.
    ///
    /// # Errors
    /// The store did not accept the write.
    pub(crate) async fn record(&self, instances: Vec<InstanceId>) -> Result<(), Error> {
        self.record_and(instances, |written| written).await
    }

    /// As [`Handle::record`], for a caller that waits at most until the deadline of a registration.
    ///
    /// # Errors
    /// The store did not accept the write in time.
    pub(crate) async fn record_soon(&self, instances: Vec<InstanceId>) -> Result<(), Error> {
        timeout_at(self.due(), self.record(instances))
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
