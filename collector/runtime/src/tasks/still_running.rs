//! The error of a shutdown whose time limit passed.

use super::Name;

/// These tasks were still running when the time limit of a shutdown passed.
#[derive(Debug, thiserror::Error)]
#[error("still running: {}", names.join(", "))]
pub struct StillRunning {
    /// The tasks that had not ended at the deadline, oldest first.
    pub names: Vec<Name>,
}

impl StillRunning {
    /// The result of several shutdowns together.
    ///
    /// # Errors
    /// The names of all tasks that are still running, in the order of the shutdowns.
    pub fn all(shutdowns: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let running = shutdowns.into_iter().filter_map(Result::err);
        let names: Vec<Name> = running.flat_map(|running| running.names).collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(Self { names })
        }
    }
}
