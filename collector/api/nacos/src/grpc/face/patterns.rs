//! Patterns that connections watch.

use std::{collections::BTreeSet, future::pending, sync::Arc};

use rollcall_catalog::{Catalog, Change, Error};
use rollcall_domain::catalog::ServiceKey;
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::sleep,
};

use super::{Face, TICK};
use crate::grpc::{
    answer,
    connection::Connection,
    frame::Frame,
    fuzzy::{self, Name, Pattern},
};

/// The services that match a pattern: a listing, and the changes since it began.
#[derive(Debug)]
pub(in crate::grpc) struct Matching {
    pattern: Pattern,
    found: BTreeSet<Name>,
    changes: Receiver<Change>,
    catalog: Catalog,
}

/// More services appeared and vanished during a listing than the channel of changes keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::grpc) struct Outrun;

impl Matching {
    /// The services that match now.
    ///
    /// # Errors
    /// The listing is out of date and must be repeated.
    pub(in crate::grpc) fn now(&mut self) -> Result<&BTreeSet<Name>, Outrun> {
        loop {
            match self.changes.try_recv() {
                Ok(change) => {
                    let key = change.service();
                    if self.is_match(key) {
                        if self.catalog.contains(key) {
                            self.found.insert(name_of(key));
                        } else {
                            self.found.remove(&name_of(key));
                        }
                    }
                }
                Err(TryRecvError::Lagged(_)) => return Err(Outrun),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(&self.found),
            }
        }
    }

    fn is_match(&self, key: &ServiceKey) -> bool {
        self.pattern.is_of(key.namespace()) && self.pattern.matches(key.group(), key.name())
    }
}

impl Face {
    /// The services that match a pattern: at most `max_matches`, plus one if there are more.
    pub(in crate::grpc) async fn matching(&self, pattern: &Pattern) -> Result<Matching, Error> {
        // Subscribed before the listing begins, so that no change is missed.
        let changes = self.catalog.service_changes();
        let most = self.config.max_matches.saturating_add(1);
        let found = self
            .catalog
            .first_services_where(pattern.namespace(), most, |listed| {
                pattern.matches(listed.key.group(), listed.key.name())
            });
        let found = found.await?.iter().map(name_of).collect();
        Ok(Matching {
            pattern: pattern.clone(),
            found,
            changes,
            catalog: self.catalog.clone(),
        })
    }

    /// Reports services that appear and vanish to a connection from now on.
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

    /// Reports services that appear and vanish to all watches, until the catalog ends.
    pub(super) async fn report_changes(&self) {
        let mut changes = self.catalog.service_changes();
        loop {
            match changes.recv().await {
                Ok(change) => self.apply(&change),
                Err(RecvError::Lagged(_)) => {
                    self.for_each_watcher(fuzzy::Watches::expire);
                    self.stale.notify_one();
                }
                Err(RecvError::Closed) => return pending().await,
            }
        }
    }

    /// Applies the present state of the service, not the change itself, because two changes made at about the same time may arrive
    /// in the wrong order.
    fn apply(&self, change: &Change) {
        let key = change.service();
        let is_there = self.catalog.contains(key);
        let name = name_of(key);
        let mut is_stale = false;
        self.for_each_watcher(|watches| {
            watches.change(key.namespace(), &name, is_there);
            is_stale |= watches.is_stale();
        });
        if is_stale {
            self.stale.notify_one();
        }
    }

    /// Lists the services of stale watches again. A watch is stale if it missed changes, or if it has room again for services that
    /// its limit left out.
    pub(super) async fn refresh_watches(&self) {
        loop {
            self.stale.notified().await;
            let watchers = self.watchers.lock().clone();
            for connection in watchers {
                self.refresh(&connection).await;
            }
            // Changes that arrive during this pause share the next listings.
            sleep(TICK).await;
        }
    }

    async fn refresh(&self, connection: &Connection) {
        for pattern in connection.with_watches(|watches| watches.stale()) {
            match self.matching(&pattern).await {
                Ok(mut matching) => connection.change_watches(|watches| match matching.now() {
                    Ok(found) => {
                        watches.refresh(&pattern, found, |name| self.exists(&pattern, name))
                    }
                    Err(Outrun) => self.stale.notify_one(),
                }),
                Err(error) => {
                    tracing::debug!(connection = connection.text(), %error, "watch not refreshed");
                    self.stale.notify_one();
                }
            }
        }
    }

    fn exists(&self, pattern: &Pattern, name: &Name) -> bool {
        let key = ServiceKey::new(pattern.namespace(), &name.group, &name.service);
        key.is_ok_and(|key| self.catalog.contains(&key))
    }

    fn for_each_watcher(&self, mut change: impl FnMut(&mut fuzzy::Watches)) {
        let watchers = self.watchers.lock().clone();
        for connection in watchers {
            connection.change_watches(&mut change);
        }
    }
}

fn name_of(key: &ServiceKey) -> Name {
    Name {
        group: key.group().to_owned(),
        service: key.name().to_owned(),
    }
}
