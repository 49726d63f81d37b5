//! Publishes the events of the catalog in the collector's event feed, and logs departures.

use std::sync::{Arc, OnceLock};

use rollcall_catalog::{Event, EventSink};
use rollcall_service::events::Feed;

use super::departures::Departures;

/// Forwards events to the feed, once it exists; the catalog changes nothing before.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(Arc<OnceLock<Feed>>, Arc<Departures>);

impl Events {
    /// Forwards all later events to `feed`.
    pub(super) fn pass_to(&self, feed: Feed) {
        if self.0.set(feed).is_err() {
            tracing::debug!("the events of the catalog already have a feed");
        }
    }
}

impl EventSink for Events {
    fn record(&self, event: Event) {
        self.1.log(&event);
        if let Some(feed) = self.0.get() {
            feed.service(event.at, event.event);
        }
    }
}
