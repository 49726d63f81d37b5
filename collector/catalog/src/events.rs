//! Events with their evidence, for the composition root to record.

use std::{fmt, sync::Arc};

use rollcall_domain::{Timestamp, catalog};

use crate::Connection;

/// An event of an instance, and its time.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened, by the wall clock.
    pub at: Timestamp,
    /// What happened.
    pub event: catalog::Event,
    /// The connection, if it is the publisher of the event; also after its end. `None` for other publishers, and for a connection
    /// that lost the instance after its end.
    pub client: Option<Arc<Connection>>,
    /// For [`catalog::EventKind::Overridden`] what the operator set; `None` for other events, and if it was removed.
    pub overridden: Option<Arc<catalog::Override>>,
    /// What was probed and how it failed, if a probe found the instance unhealthy.
    pub failed_probe: Option<Arc<str>>,
}

/// Records events. Called while no lock of the catalog is held; must not block.
pub trait EventSink: fmt::Debug + Send + Sync {
    /// Records an event.
    fn record(&self, event: Event);
}

/// Records nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn record(&self, _: Event) {}
}
