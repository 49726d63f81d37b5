//! The servers that the agent calls, with scripted behaviour.

mod collector;
mod naming;

pub(crate) use collector::{Behaviour, Call, Collector, Seen};
pub(crate) use naming::{Naming, Response};

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The longest wait for an event that must happen. It is long enough for a busy machine; no test waits until it has passed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A value that some threads change, while other threads wait for its changes.
#[derive(Debug, Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.lock());
        self.changed.notify_all();
        result
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.value.lock())
    }

    /// Waits until `read` returns a value.
    pub(crate) fn wait_for<R>(&self, what: &str, mut read: impl FnMut(&T) -> Option<R>) -> R {
        let mut value = self.value.lock();
        loop {
            if let Some(result) = read(&value) {
                return result;
            }
            let waited = self.changed.wait_for(&mut value, PATIENCE);
            assert!(!waited.timed_out(), "{what}: not observed in time");
        }
    }
}
