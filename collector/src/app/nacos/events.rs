//! What happens to instances of services, in the collector's feed of events.

use std::sync::{Arc, OnceLock};

use rollcall_catalog::{Event, EventSink};
use rollcall_service::events::Feed;

/// Passes events on to the feed, once there is one: nothing changes before that.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(Arc<OnceLock<Feed>>);

impl Events {
    /// From now on to this feed.
    pub(super) fn pass_to(&self, feed: Feed) {
        if self.0.set(feed).is_err() {
            tracing::debug!("the events of the catalog have a feed");
        }
    }
}

impl EventSink for Events {
    fn record(&self, event: Event) {
        if let Some(feed) = self.0.get() {
            feed.service(event.at, event.event);
        }
    }
}
