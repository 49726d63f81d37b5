//! Events with their evidence, for the composition root to record.

use std::{fmt, sync::Arc};

use rollcall_domain::{Timestamp, catalog};

use crate::Connection;

/// An event of an instance, and its time.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened, by the wall clock.
    pub at: Timestamp,
    /// The event.
    pub event: catalog::Event,
    /// The connection that is the publisher of the event, even if it has ended. `None` for other publishers, and for a connection
    /// that lost the instance after its end.
    pub client: Option<Arc<Connection>>,
    /// For [`catalog::EventKind::Overridden`], the override that the operator set; `None` if it was removed, and for other events.
    pub overridden: Option<Arc<catalog::Override>>,
    /// What was probed and how it failed, if a probe found the instance unhealthy.
    pub failed_probe: Option<Arc<str>>,
}

/// Records events. The catalog calls it without holding a lock; it must not block.
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
