//! Members in ZooKeeper, where upstream's collectors of 3.x and 5.x have theirs, so that they are in one naming list.
//!
//! Every round reads all there is, and does what is missing in one transaction: nothing is remembered that could be wrong.
//! A lost connection is made again to the next server and goes on with its session; if that has expired, or is of an ensemble
//! that has lost its data since, its nodes are gone, and a new one makes them again.

mod nodes;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use rollcall_domain::Timestamp;
use rollcall_secret::Secret;
use rollcall_zookeeper::{Client, Error, NODE_EXISTS, Session};

use self::nodes::{Node, Nodes, Parents, Plan};
use super::backoff::random;

use super::coordinated::{self, Coordinated, Coordinator, Desk, Keeper, Trouble};

/// How ZooKeeper is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `host:port`, servers of one ensemble.
    pub servers: Vec<String>,
    /// How long the servers keep a collector that they do not hear of. They may decide otherwise: between 2 and 20 of their
    /// ticks.
    pub session_timeout: Duration,
    /// Put in front of every path, so that several fleets can share an ensemble: a chroot, a namespace, or both. Empty for
    /// none.
    pub root: String,
    /// `user:password` of the scheme `digest`; empty for none. With it, nodes are created for this user alone.
    pub credentials: Secret,
}

/// Speaks to the servers.
struct Zookeeper {
    config: Config,
    parents: Parents,
    session: Session,
    /// Which server is next; the first one is drawn, so that not all collectors sit on the same.
    next: usize,
}

/// The cluster, and the task that has to run for it to work. Nothing is connected yet.
#[must_use]
pub fn cluster(config: Config) -> (Coordinated, Keeper) {
    coordinated::pair(Zookeeper {
        parents: Parents::new(&config.root),
        config,
        session: Session::default(),
        next: usize::try_from(random() >> 32).unwrap_or(0),
    })
}

impl Coordinator for Zookeeper {
    type Error = Error;

    async fn attend(&mut self, desk: &mut Desk) -> Result<Infallible, Error> {
        let server = self.next_server();
        let attended = self.keep(&server, desk).await;
        match attended {
            Err(Error::Expired) => self.session = Session::default(),
            Err(Error::Lost { .. }) if self.session.is_overdue() => self.begin_anew(&server).await,
            _ => {}
        }
        attended
    }
}

impl Zookeeper {
    fn next_server(&mut self) -> String {
        let servers = &self.config.servers;
        let at = self.next.checked_rem(servers.len()).unwrap_or(0);
        self.next = self.next.wrapping_add(1);
        servers.get(at).cloned().unwrap_or_default()
    }

    /// Gives the session up if the server, which did not resume it, opens another one.
    ///
    /// Servers do not say that a session has expired to whoever has seen more than they have, but close the connection: for
    /// ever, if they have lost their data. Servers that are away, or have no quorum, open no other session either: when they are
    /// back they go on with this one, and its nodes have never been gone.
    async fn begin_anew(&mut self, server: &str) {
        let mut another = Session::default();
        let opened = Client::connect(server, self.config.session_timeout, &mut another).await;
        if opened.is_ok() {
            self.session = another;
        }
    }

    async fn keep(&mut self, server: &str, desk: &mut Desk) -> Result<Infallible, Error> {
        let term = self.config.session_timeout;
        let mut client = Client::connect(server, term, &mut self.session).await?;
        let credentials = self.config.credentials.expose();
        if !credentials.is_empty() {
            client.authenticate(credentials).await?;
        }
        prepare(&mut client, &self.parents).await?;
        loop {
            let nodes = read(&mut client, &self.parents).await?;
            desk.publish(self.parents.members(&nodes));
            let wish = desk.wish();
            match self.parents.plan(&nodes, wish.as_ref(), client.session()) {
                Plan::Nothing => desk.fulfilled(wish.as_ref()),
                Plan::Taken(path) => desk.hindered(Trouble::Taken, &format!(
                    "{path} in ZooKeeper belongs to another collector, or to an earlier one of this address whose session \
                     has not ended: if it stays, give each collector an advertised host or port of its own"
                )),
                Plan::Steps(steps) => match client.transact(&steps).await {
                    // Another collector was faster; an event reports its node.
                    Err(error) if error.code() == Some(NODE_EXISTS) => {}
                    done => done?,
                },
            }
            tokio::select! {
                changed = client.changed() => changed?,
                () = desk.another_wish() => {}
            }
        }
    }
}

/// Makes the nodes that collectors put children below, and those above them.
async fn prepare(client: &mut Client<'_>, parents: &Parents) -> Result<(), Error> {
    for parent in parents.all() {
        let ends = parent.match_indices('/').map(|(at, _)| at).skip(1);
        for end in ends.chain([parent.len()]) {
            client.ensure(parent.get(..end).unwrap_or(parent)).await?;
        }
    }
    Ok(())
}

/// All children of all parents. Whatever of it changes next is an event.
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
