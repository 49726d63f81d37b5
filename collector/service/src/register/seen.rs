//! Records in which states instances are, and when they were last seen.

use rollcall_domain::{InstanceId, liveness::LeaseRecord};
use rollcall_storage::LastSeen;
use tokio::time::timeout_at;

use super::{Error, Handle};

impl Handle {
    /// Records leases, and returns once that is durable.
    ///
    /// # Errors
    /// The store did not accept the write.
    pub(crate) async fn record(&self, leases: &[LeaseRecord<InstanceId>]) -> Result<(), Error> {
        self.record_and(leases, |written| written).await
    }

    /// As [`Handle::record`], for a caller that waits at most until the deadline of a registration.
    ///
    /// # Errors
    /// The store did not accept the write in time.
    pub(crate) async fn record_soon(
        &self,
        leases: &[LeaseRecord<InstanceId>],
    ) -> Result<(), Error> {
        timeout_at(self.due(), self.record(leases))
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
        leases: &[LeaseRecord<InstanceId>],
        settle: impl FnOnce(Result<(), Error>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let core = &self.shared.core;
        let leases = leases.iter();
        let seen = leases.map(|lease| core.last_seen(lease, self.shared.is_store_shared));
        let seen: Vec<LastSeen> = seen.collect();
        self.shared.queue.record_seen(seen, settle).await
    }
}
