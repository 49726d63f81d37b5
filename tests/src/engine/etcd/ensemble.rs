use std::{array, net::SocketAddr};

use serde_json::json;

use super::{Etcd, command};
use crate::{PATIENCE, engine::Server, eventually, process::free_addresses};

/// The number of servers: the smallest number that survives the loss of one server.
const SERVERS: usize = 3;

/// An etcd of three servers. It serves as long as two of them run.
#[derive(Debug)]
pub struct Ensemble {
    servers: [Server<Etcd>; SERVERS],
}

impl Ensemble {
    /// Starts an ensemble without data and waits until it serves.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn start() -> Self {
        let addresses: [SocketAddr; 2 * SERVERS] = free_addresses();
        let (clients, peers) = addresses.split_at(SERVERS);
        let member = |number: usize| {
            (
                format!("server-{number}"),
                format!("http://{}", peers[number]),
            )
        };
        let cluster = (0..SERVERS)
            .map(member)
            .map(|(name, peer)| format!("{name}={peer}"));
        let cluster = cluster.collect::<Vec<_>>().join(",");
        let mut servers = array::from_fn(|number| {
            let (name, peer) = member(number);
            Server::new(clients[number], |address, directory| {
                command(&name, address, &peer, &cluster, directory)
            })
        });
        // No server serves until two are running, so all are started together.
        let [first, second, third] = &mut servers;
        tokio::join!(first.restart(), second.restart(), third.restart());
        Self { servers }
    }

    /// The client addresses of its servers.
    pub fn addresses(&self) -> [SocketAddr; SERVERS] {
        self.servers.each_ref().map(Server::address)
    }

    /// The leader. All servers must be running.
    ///
    /// # Panics
    /// When there is no leader within [`PATIENCE`], or a server does not answer.
    pub async fn leader(&mut self) -> &mut Server<Etcd> {
        let servers = &self.servers;
        let leader = eventually(PATIENCE, async || {
            for (number, server) in servers.iter().enumerate() {
                let status = server.call("/v3/maintenance/status", json!({})).await;
                if status["leader"] == status["header"]["member_id"] {
                    return Ok(number);
                }
            }
            Err("no server is the leader")
        });
        &mut self.servers[leader.await]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine as _;

    #[tokio::test]
    async fn an_ensemble_serves_after_its_leader_is_killed() {
        let mut etcd = Ensemble::start().await;
        let put = json!({"key": "a2V5", "value": "dmFsdWU="});
        let leader = etcd.leader().await;
        let killed = leader.address();
        leader.call("/v3/kv/put", put).await;
        leader.kill();
        let left = etcd
            .servers
            .iter()
            .filter(|server| server.address() != killed);
        for server in left {
            eventually(PATIENCE, async || Etcd::serves(server.address()).await).await;
            let read = server.call("/v3/kv/range", json!({"key": "a2V5"})).await;
            assert_eq!(read["kvs"][0]["value"], "dmFsdWU=");
        }
    }
}
