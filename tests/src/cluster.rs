//! Collectors that share one inventory in etcd.

use std::collections::BTreeSet;

use crate::{
    PATIENCE,
    engine::{Etcd, Server},
    eventually,
    process::{Collector, Options},
    proxy::Proxy,
};

/// One of the collectors.
#[derive(Debug)]
pub struct Member {
    /// The process.
    pub collector: Collector,
    /// The proxy between this collector and etcd.
    pub engine_link: Proxy,
    /// The proxy through which the other collectors connect to this one.
    pub peer_link: Proxy,
}

/// An etcd and its collectors.
#[derive(Debug)]
pub struct Cluster {
    // The members are dropped before etcd, because they would log warnings without it.
    /// The collectors, in the order of their start.
    pub members: Vec<Member>,
    /// The shared engine.
    pub etcd: Server<Etcd>,
    options: fn() -> Options,
}

impl Cluster {
    /// Starts an etcd and this many collectors, one after the other.
    ///
    /// # Panics
    /// When one of them cannot be started.
    pub async fn start(members: usize) -> Self {
        Self::start_with(members, Collector::options).await
    }

    /// Starts an etcd and this many collectors with these options.
    ///
    /// # Panics
    /// When one of them cannot be started.
    pub async fn start_with(members: usize, options: fn() -> Options) -> Self {
        Self::start_on(Server::start().await, members, options).await
    }

    /// Starts this many collectors with these options on an etcd.
    ///
    /// # Panics
    /// When one of them cannot be started.
    pub async fn start_on(etcd: Server<Etcd>, members: usize, options: fn() -> Options) -> Self {
        let mut cluster = Self {
            members: Vec::new(),
            etcd,
            options,
        };
        for _ in 0..members {
            cluster.join().await;
        }
        cluster
    }

    /// Allows the log lines of members that cannot reach etcd for a time.
    pub fn expect_trouble(&mut self) {
        for member in &mut self.members {
            member.collector.expect_outage();
        }
    }

    /// Starts one more collector and waits until it is ready.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn join(&mut self) {
        let engine_link = Proxy::to(self.etcd.address()).await;
        let peer_link = Proxy::open().await;
        let collector = (self.options)()
            .env("SW_CLUSTER", "etcd")
            .env(
                "SW_CLUSTER_ETCD_ENDPOINTS",
                engine_link.address().to_string(),
            )
            .env(
                "SW_REMOTE_GRPC_ADVERTISED_PORT",
                peer_link.address().port().to_string(),
            )
            .env("SW_CLUSTER_ETCD_LEASE_TERM", "2s")
            .env("SW_STORAGE", "etcd")
            .start()
            .await;
        peer_link.set_target(collector.listeners().remote);
        self.members.push(Member {
            collector,
            engine_link,
            peer_link,
        });
    }

    /// Waits until the inventories of all members have the same number of entries.
    ///
    /// # Panics
    /// When they still differ after [`PATIENCE`].
    pub async fn settle(&self) {
        eventually(PATIENCE, async || {
            let mut entries = BTreeSet::new();
            for member in &self.members {
                entries.insert(member.entries().await?);
            }
            if entries.len() == 1 {
                Ok(())
            } else {
                Err(format!("the inventories differ: {entries:#?}"))
            }
        })
        .await;
    }
}

impl Member {
    /// The address at which the other members reach this one.
    pub fn address(&self) -> String {
        self.peer_link.address().to_string()
    }

    /// The metric lines with the number of entries of each dictionary.
    async fn entries(&self) -> Result<BTreeSet<String>, String> {
        let ui = self.collector.listeners().ui;
        let reply = self.collector.http(ui).get("/metrics").await?;
        let text = reply.text();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("rollcall_entries{"));
        Ok(lines.map(str::to_owned).collect())
    }
}
