//! Overrides whose term has ended, for the task that removes their rows.

use parking_lot::Mutex;
use rollcall_domain::catalog::{Endpoint, ServiceKey};
use tokio::sync::{Notify, futures::Notified};

/// Overrides that have ended, and may still have a row.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    overrides: Mutex<Vec<(ServiceKey, Endpoint)>>,
    added: Notify,
}

impl Ended {
    pub(crate) fn add(&self, overrides: Vec<(ServiceKey, Endpoint)>) {
        self.overrides.lock().extend(overrides);
        self.added.notify_one();
    }

    /// Completes when an override was added since this call.
    pub(crate) fn added(&self) -> Notified<'_> {
        self.added.notified()
    }

    /// Removes and returns all of them.
    pub(crate) fn take(&self) -> Vec<(ServiceKey, Endpoint)> {
        std::mem::take(&mut *self.overrides.lock())
    }
}
