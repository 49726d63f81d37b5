//! Connections of clients, and their instances.

use std::sync::Arc;

use rollcall_domain::catalog::{
    ConnectionEnd, ConnectionId, Instance, Publisher, ServiceKey, Subscriber,
};

use super::Catalog;
use crate::{Connection, Error};

/// Instances that are removed under one lock.
const CHUNK: usize = 256;

impl Catalog {
    /// Adds a connection. Its id is its publisher and its subscriber.
    ///
    /// # Errors
    /// The limit of connections is reached.
    pub fn connect(&self, connection: Connection) -> Result<ConnectionId, Error> {
        let limit = self.0.config.limits.connections;
        Ok(self.0.connections.open(connection, limit)?)
    }

    /// Ends a connection: its subscriptions and the instances that it still owns end with it, and the events of the instances carry
    /// `end`. Calls in progress on the connection fail, because they find it ended.
    ///
    /// After [`Catalog::drain`] the instances stay, so that the next run finds them as they were.
    pub fn connection_closed(&self, id: ConnectionId, end: ConnectionEnd) {
        let Some(closed) = self.0.connections.close(id) else {
            return;
        };
        let ended = self
            .0
            .subscriptions
            .write()
            .end(&Subscriber::Connection(id));
        ended.iter().for_each(|subscription| subscription.end());
        if end == ConnectionEnd::CollectorStops || self.0.readiness.is_draining() {
            return;
        }
        let part = || {
            self.0.change_for(&closed, |registry, now, effects| {
                registry.end(id, end, CHUNK, now, effects)
            })
        };
        while !part() {}
    }

    /// Announces that this collector is about to stop. Later ends of connections are neither pushed nor stored, so the next run
    /// finds their instances, and no consumer sees them removed.
    pub fn drain(&self) {
        self.0.readiness.drain();
    }

    /// A connection, unless it has ended.
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.0.connections.get(id)
    }

    /// The connection with this client id.
    #[must_use]
    pub fn connection_named(&self, client_id: &str) -> Option<(ConnectionId, Arc<Connection>)> {
        self.0.connections.named(client_id)
    }

    /// Up to `limit` connections, in the order in which they were opened, optionally after one.
    #[must_use]
    pub fn connections(
        &self,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Vec<(ConnectionId, Arc<Connection>)> {
        self.0.connections.page(after, limit)
    }

    /// The instances that a publisher holds, ordered by service.
    #[must_use]
    pub fn published_by(&self, publisher: &Publisher) -> Vec<(ServiceKey, Instance)> {
        self.0.registry.read().published_by(publisher)
    }

    /// Up to `limit` publishers that hold an instance, in no order.
    #[must_use]
    pub fn publishers(&self, limit: usize) -> Vec<Publisher> {
        let registry = self.0.registry.read();
        registry.publishers().take(limit).cloned().collect()
    }
}
