//! Patterns that connections watch.

use std::sync::Arc;

use rollcall_catalog::{Change, Error};
use rollcall_domain::catalog::ServiceKey;

use super::Face;
use crate::grpc::{
    answer,
    connection::Connection,
    frame::Frame,
    fuzzy::{self, Pattern},
};

impl Face {
    /// The services that match a pattern: `max_matches`, and one more if there are more.
    pub(in crate::grpc) fn matching(
        &self,
        pattern: &Pattern,
    ) -> Result<impl Iterator<Item = fuzzy::Name> + use<>, Error> {
        let most = self.config.max_matches.saturating_add(1);
        let matching =
            self.catalog
                .services_where(pattern.namespace(), None, (0, most), |listed| {
                    pattern.matches(listed.key.group(), listed.key.name())
                })?;
        Ok(matching.items.into_iter().map(|key| name_of(&key)))
    }

    /// Adds a connection to those that are notified of new and removed services.
    pub(in crate::grpc) fn watch(&self, connection: &Arc<Connection>) {
        let mut watchers = self.watchers.lock();
        if !watchers
            .iter()
            .any(|watcher| Arc::ptr_eq(watcher, connection))
        {
            watchers.push(Arc::clone(connection));
        }
    }

    /// The next message of a watch.
    pub(in crate::grpc) fn watched(
        &self,
        connection: &Connection,
        pattern: &Pattern,
    ) -> Option<Frame> {
        if self.stop.is_cancelled() {
            return None;
        }
        let (number, now) = (self.number(), self.now());
        let message = connection.with_watches(|watches| watches.advance(pattern, number, now))?;
        Some(answer::watch(self.own_ip(), number, pattern, &message))
    }

    pub(super) fn apply(&self, change: &Change) {
        let (key, is_there) = match change {
            Change::Appeared(key) => (key, true),
            Change::Vanished(key) => (key, false),
        };
        let watchers = self.watchers.lock().clone();
        for connection in watchers {
            let name = name_of(key);
            connection.change_watches(|watches| watches.change(key.namespace(), &name, is_there));
        }
    }

    /// Compares all patterns with the catalog, because changes were missed.
    pub(super) fn compare(&self) {
        let watchers = self.watchers.lock().clone();
        for connection in watchers {
            connection.change_watches(|watches| {
                watches.compare(|pattern| Some(self.matching(pattern).ok()?.collect()));
            });
        }
    }
}

fn name_of(key: &ServiceKey) -> fuzzy::Name {
    fuzzy::Name {
        group: key.group().to_owned(),
        service: key.name().to_owned(),
    }
}
