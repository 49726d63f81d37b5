//! The discovery loop: keeps the list of collectors.

use std::{convert::Infallible, sync::Arc};

use tokio::{sync::watch, time};

use crate::{
    Activity,
    backoff::Backoff,
    config::{Collectors, Config},
    naming::{self, Shortlist, Timeouts},
    peer::Peer,
    random,
    shared::Shared,
};

/// The longest list of collectors that the agent keeps. The time to choose the next collector grows with the square of the list's
/// length.
pub(crate) const MAX_MEMBERS: usize = 256;

/// Publishes the list of collectors. A published list stays until another usable list replaces it.
#[derive(Debug)]
pub(crate) struct Discovery {
    shared: Arc<Shared>,
    shortlist: Shortlist,
    members: watch::Sender<Vec<Peer>>,
    until_first: Backoff,
}

impl Discovery {
    pub(crate) fn new(shared: Arc<Shared>) -> (Self, watch::Receiver<Vec<Peer>>) {
        let (members, receiver) = watch::channel(Vec::new());
        let until_first = Backoff::below(shared.config.discovery_interval);
        (
            Self {
                shared,
                shortlist: Shortlist::default(),
                members,
                until_first,
            },
            receiver,
        )
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) -> Infallible {
        let shared = Arc::clone(&self.shared);
        let config = &shared.config;
        match &config.collectors {
            Collectors::Direct(members) => {
                self.publish(members.clone());
                std::future::pending().await
            }
            Collectors::Discovered { servers, path } => loop {
                self.tick(config, servers, path).await;
                let pause = if self.members.borrow().is_empty() {
                    self.until_first.next(random::number())
                } else {
                    config.discovery_interval
                };
                time::sleep(pause).await;
            },
        }
    }

    /// Queries the servers, each at most once and starting at a random position, until a server returns a list.
    async fn tick(&self, config: &Config, servers: &[Peer], path: &str) {
        let timeouts = Timeouts {
            connect: config.connect_timeout,
            answer: config.discovery_timeout,
        };
        let start = random::below(servers.len());
        for server in servers.iter().cycle().skip(start).take(servers.len()) {
            match naming::fetch(server, config.tls_of(server), path, timeouts).await {
                Ok(members) => return self.publish(self.shortlist.of(members, MAX_MEMBERS)),
                Err(error) => {
                    self.shared.counters.naming_failures.increment();
                    self.shared
                        .report_error(Activity::Discovery, &format_args!("{server}: {error}"));
                }
            }
        }
    }

    fn publish(&self, members: Vec<Peer>) {
        if *self.members.borrow() != members {
            self.shared.members_are(&members);
            self.members.send_replace(members);
        }
    }
}
