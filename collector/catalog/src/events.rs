//! Events with their evidence, for the composition root to record.

use std::fmt;

use rollcall_domain::{Timestamp, catalog};

/// An event of an instance, and its time.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: Timestamp,
    pub event: catalog::Event,
}

/// Records events. Called while no lock of the catalog is held; must not block.
pub trait EventSink: fmt::Debug + Send + Sync {
    fn record(&self, event: Event);
}

/// Records nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn record(&self, _: Event) {}
}
