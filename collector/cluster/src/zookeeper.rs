//! Members in ZooKeeper, beside those of upstream's collectors of 3.x and 5.x, so that one naming list has both.
//!
//! Every round reads all nodes and makes the missing changes in one transaction, so no state is kept that could be stale. After a
//! lost connection the task connects to the next server and resumes the session. If the session has expired, or the ensemble has
//! lost its data, the nodes are gone, and a new session creates them again.

mod nodes;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use rollcall_domain::Timestamp;
use rollcall_secret::Secret;
use rollcall_zookeeper::{Client, Error, NODE_EXISTS, Session};

use self::nodes::{Node, Nodes, Parents, Plan};

use super::coordinated::{self, Coordinated, Coordinator, Fault, Keeper, Port};

/// How to reach ZooKeeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The servers of one ensemble, each `host:port`.
    pub servers: Vec<String>,
    /// How long the servers keep the session of a silent collector. They limit it to between 2 and 20 of their ticks.
    pub session_timeout: Duration,
    /// The prefix of every path, so that several fleets can share an ensemble: a chroot, a namespace, or both. May be empty.
    pub root: String,
    /// `user:password` of the scheme `digest`; empty for none. With it, only this user can access the created nodes.
    pub credentials: Secret,
}

/// The session with the ensemble.
struct Zookeeper {
    config: Config,
    parents: Parents,
    session: Session,
    /// The index of the next server; the first is random, so that collectors spread over the servers.
    next: usize,
}

/// The cluster, and the task that serves it. The task connects when it runs.
#[must_use]
pub fn cluster(config: Config) -> (Coordinated, Keeper) {
    coordinated::pair(Zookeeper {
        parents: Parents::new(&config.root),
        config,
        session: Session::default(),
        next: fastrand::usize(..),
    })
}

impl Coordinator for Zookeeper {
    type Error = Error;

    async fn session(&mut self, port: &mut Port) -> Result<Infallible, Error> {
        let server = self.next_server();
        let ended = self.keep(&server, port).await;
        match ended {
            Err(Error::Expired) => self.session = Session::default(),
            Err(Error::Lost { .. }) if self.session.is_overdue() => self.begin_anew(&server).await,
            _ => {}
        }
        ended
    }
}

impl Zookeeper {
    fn next_server(&mut self) -> String {
        let servers = &self.config.servers;
        let at = self.next.checked_rem(servers.len()).unwrap_or(0);
        self.next = self.next.wrapping_add(1);
        servers.get(at).cloned().unwrap_or_default()
    }

    /// Abandons the session if a server that does not resume it opens another one.
    ///
    /// If a client has seen a later transaction than the server, the server does not report that the session has expired but closes
    /// the connection. After a loss of its data it does so for ever. Opening another session distinguishes this from an outage:
    /// unavailable servers, and servers without a quorum, do not open another session either. When those return, they resume this
    /// session, whose nodes were not deleted.
    async fn begin_anew(&mut self, server: &str) {
        let mut another = Session::default();
        let opened = Client::connect(server, self.config.session_timeout, &mut another).await;
        if opened.is_ok() {
            self.session = another;
        }
    }

    async fn keep(&mut self, server: &str, port: &mut Port) -> Result<Infallible, Error> {
        let term = self.config.session_timeout;
        let mut client = Client::connect(server, term, &mut self.session).await?;
        let credentials = self.config.credentials.expose();
        if !credentials.is_empty() {
            client.authenticate(credentials).await?;
        }
        prepare(&mut client, &self.parents).await?;
        loop {
            let nodes = read(&mut client, &self.parents).await?;
            port.publish(self.parents.members(&nodes));
            let desired = port.desired();
            match self.parents.plan(&nodes, desired.as_ref(), client.session()) {
                Plan::Nothing => port.registered(desired.as_ref()),
                Plan::Taken(path) => port.degraded(Fault::Taken, &format!(
                    "{path} in ZooKeeper belongs to another collector, or to an earlier one of this address whose session \
                     has not ended: if it stays, give each collector an advertised host or port of its own"
                )),
                Plan::Steps(steps) => match client.transact(&steps).await {
                    // Another collector created the node first. An event will report it.
                    Err(error) if error.code() == Some(NODE_EXISTS) => {}
                    done => done?,
                },
            }
            tokio::select! {
                changed = client.changed() => changed?,
                () = port.desired_changed() => {}
            }
        }
    }
}

/// Creates the parents of the collectors' nodes, and the nodes above them.
async fn prepare(client: &mut Client<'_>, parents: &Parents) -> Result<(), Error> {
    for parent in parents.all() {
        let ends = parent.match_indices('/').map(|(at, _)| at).skip(1);
        for end in ends.chain([parent.len()]) {
            client.ensure(parent.get(..end).unwrap_or(parent)).await?;
        }
    }
    Ok(())
}

/// All children of all parents. ZooKeeper sends an event at the next change of each.
async fn read(client: &mut Client<'_>, parents: &Parents) -> Result<Nodes, Error> {
    let mut nodes = Nodes::new();
    for parent in parents.all() {
        for name in client.children(parent).await? {
            let path = format!("{parent}/{name}");
            if let Some((data, stat)) = client.node(&path).await? {
                let node = Node {
                    data,
                    owner: stat.owner,
                    created: Timestamp::from_millis(stat.created),
                };
                nodes.insert(path, node);
            }
        }
    }
    Ok(nodes)
}
