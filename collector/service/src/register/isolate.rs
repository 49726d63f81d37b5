//! A batch that the store refuses as invalid: the call that is to blame fails alone.

use rollcall_storage as storage;

use super::{
    outage::Operation,
    waiting::Waiting,
    writer::{Failure, Writer},
};

impl Writer {
    /// Commits what `waiting` asks for in parts, ever smaller, until a call that the store refuses is alone, and refuses that.
    ///
    /// # Errors
    /// Those of a batch that say nothing of one call.
    pub(super) fn isolate(
        &mut self,
        waiting: &mut Waiting,
        error: &storage::Error,
    ) -> Result<(), Failure> {
        // A change that nobody waits for may be to blame. It comes with a later report.
        self.pacer.drop_due();
        tracing::warn!(%error, "the store refuses a batch, which is committed in parts");
        let mut parts = vec![std::mem::take(waiting)];
        while let Some(mut part) = parts.pop() {
            match self.batch(&mut part) {
                Ok(()) => {}
                Err(Failure::Write(error)) if error.is_invalid() => match part.split() {
                    Some(halves) => parts.extend(halves),
                    None => part.reject(&error),
                },
                Err(Failure::Write(error)) if error.is_transient() => {
                    self.failed(Operation::Write, &error);
                    parts.push(part);
                    parts.iter_mut().for_each(|part| self.refuse(part));
                    return Ok(());
                }
                Err(Failure::Read(error)) if error.is_transient() => {
                    self.failed(Operation::Read, &error);
                    parts.push(part);
                    parts.iter_mut().for_each(|part| self.refuse(part));
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}
