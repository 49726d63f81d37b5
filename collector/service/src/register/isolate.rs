//! Isolates the invalid call of a batch that the store refuses, so that only this call fails.

use std::time::Duration;

use rollcall_storage as storage;
use tokio::time::Instant;

use super::{
    outage::Operation,
    waiting::PendingBatch,
    writer::{Failure, Writer},
};

/// The least time between two warnings about refused batches, since any agent can send a name that the store refuses.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

impl Writer {
    /// Commits the calls of `waiting` in ever smaller parts, until a call that the store refuses is alone, and refuses it.
    ///
    /// # Errors
    /// A failure of a batch that no single call caused.
    pub(super) fn isolate(
        &mut self,
        waiting: &mut PendingBatch,
        error: &storage::Error,
    ) -> Result<(), Failure> {
        // The invalid value may be in a deferred change, for which no caller waits. A later report of the agent repeats that
        // change.
        self.pacer.drop_due();
        let now = Instant::now();
        if self
            .warned_at
            .is_none_or(|last| now.duration_since(last) >= WARN_INTERVAL)
        {
            self.warned_at = Some(now);
            tracing::warn!(%error, "the store refused a batch, committing it in parts");
        } else {
            tracing::debug!(%error, "the store refused a batch, committing it in parts");
        }
        let mut parts = vec![std::mem::take(waiting)];
        while let Some(mut part) = parts.pop() {
            match self.batch(&mut part) {
                Ok(()) => {}
                Err(Failure::Write(error)) if error.is_invalid() => match part.split() {
                    Some(halves) => parts.extend(halves),
                    None => part.reject(&error),
                },
                Err(Failure::Write(error)) if error.is_transient() => {
                    let outage = self.failed(Operation::Write, &error);
                    parts.push(part);
                    parts.iter_mut().for_each(|part| self.refuse(part, &outage));
                    return Ok(());
                }
                Err(Failure::Read(error)) if error.is_transient() => {
                    let outage = self.failed(Operation::Read, &error);
                    parts.push(part);
                    parts.iter_mut().for_each(|part| self.refuse(part, &outage));
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}
