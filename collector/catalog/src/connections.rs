//! The connections of clients.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use parking_lot::RwLock;
use rollcall_domain::{
    Timestamp,
    catalog::{ConnectionId, Full, Resource},
};
use rollcall_limits::Peer;

/// A client's connection, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The id of the connection for clients and operators.
    pub client_id: Arc<str>,
    /// The address of the socket's other end.
    pub ip: Arc<str>,
    /// The port of the other end.
    pub port: u16,
    /// The address that the client reports.
    pub client_ip: Arc<str>,
    /// A text such as `Nacos-Java-Client:v2.5.1`.
    pub version: Arc<str>,
    /// The application that the client reports.
    pub app: Arc<str>,
    /// The namespace that the client works in.
    pub namespace: Arc<str>,
    /// The labels that the client reports, sorted.
    pub labels: Arc<[(Arc<str>, Arc<str>)]>,
    /// When the connection was set up.
    pub opened_at: Timestamp,
}

impl Connection {
    /// The peer whose limits apply to the connection.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.ip.parse().ok().map(Peer::new)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Connections(RwLock<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    by_id: BTreeMap<ConnectionId, Arc<Connection>>,
    by_name: HashMap<Arc<str>, ConnectionId>,
}

impl Connections {
    pub(crate) fn open(&self, connection: Connection, limit: usize) -> Result<ConnectionId, Full> {
        let mut open = self.0.write();
        let full = Full {
            resource: Resource::Connections,
            limit,
        };
        if open.by_id.len() >= limit {
            return Err(full);
        }
        open.last += 1;
        let id = ConnectionId::new(open.last).ok_or(full)?;
        open.by_name.insert(Arc::clone(&connection.client_id), id);
        open.by_id.insert(id, Arc::new(connection));
        Ok(id)
    }

    /// Removes a connection and returns it, unless it was removed before.
    pub(crate) fn close(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        let mut open = self.0.write();
        let closed = open.by_id.remove(&id)?;
        // Another connection may have taken the client id meanwhile.
        if open.by_name.get(&closed.client_id) == Some(&id) {
            open.by_name.remove(&closed.client_id);
        }
        Some(closed)
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.0.read().by_id.get(&id).cloned()
    }

    pub(crate) fn named(&self, client_id: &str) -> Option<(ConnectionId, Arc<Connection>)> {
        let open = self.0.read();
        let id = *open.by_name.get(client_id)?;
        Some((id, Arc::clone(open.by_id.get(&id)?)))
    }

    pub(crate) fn page(
        &self,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Vec<(ConnectionId, Arc<Connection>)> {
        let from = after.map_or(Unbounded, Excluded);
        let open = self.0.read();
        let range = open.by_id.range((from, Unbounded)).take(limit);
        range.map(|(id, c)| (*id, Arc::clone(c))).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().by_id.len()
    }
}
