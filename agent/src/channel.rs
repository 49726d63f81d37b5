//! The channel loop: keeps one connection to one collector.

use std::{convert::Infallible, future::pending, sync::Arc};

use http::Uri;
use tokio::{sync::watch, time::sleep};

use crate::{
    Activity,
    backoff::Backoff,
    collector::{Collector, ConnectError, connect},
    peer::Peer,
    random,
    register::{Lost, Register},
    rotation::Rotation,
    shared::Shared,
};

/// Connects, lets the register loop speak, and connects anew.
///
/// A connection is kept for as long as it works: a change of the list of collectors does not move an agent, and a
/// collector that wants to go closes it.
#[derive(Debug)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
    members: watch::Receiver<Vec<Peer>>,
    rotation: Rotation,
    backoff: Backoff,
    register: Register,
}

/// Why there is no connection any more, or none came about.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("not an address: {0}")]
    Address(#[from] http::Error),
    #[error("connection closed")]
    Closed,
    #[error("connection broke: {0}")]
    Broke(hyper::Error),
    #[error(transparent)]
    Lost(Lost),
}

impl Channel {
    pub(crate) fn new(
        shared: Arc<Shared>,
        members: watch::Receiver<Vec<Peer>>,
        register: Register,
    ) -> Self {
        Self {
            rotation: Rotation::default(),
            backoff: Backoff::below(shared.config.channel_interval),
            shared,
            members,
            register,
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) -> Infallible {
        loop {
            let next = self.rotation.next(&self.members.borrow_and_update());
            let Some(member) = next else {
                changed(&mut self.members).await;
                continue;
            };
            let end = match self.serve(&member).await {
                Ok(end) | Err(end) => end,
            };
            self.shared.counters.connection_failures.increment();
            self.shared
                .trouble(Activity::Connection, &format_args!("{member}: {end}"));
            // A changed list may hold one that works.
            tokio::select! {
                () = sleep(self.backoff.next(random::number())) => {}
                () = changed(&mut self.members) => {}
            }
        }
    }

    /// One connection, from its beginning to its end. An error if it did not begin.
    async fn serve(&mut self, member: &Peer) -> Result<End, End> {
        let config = &self.shared.config;
        let origin = Uri::builder()
            .scheme("http")
            .authority(member.to_string())
            .path_and_query("/");
        let origin = origin.build()?;
        let (transport, connection) = connect(
            member,
            config.authentication.as_ref(),
            config.connect_timeout,
        )
        .await?;
        let collector = Collector::new(transport, origin, config.call_timeout);
        self.shared.connected(member);
        let end = tokio::select! {
            lost = self.register.run(&collector) => End::Lost(lost),
            closed = connection => closed.map_or_else(End::Broke, |()| End::Closed),
        };
        self.register.disconnected();
        // Only who answers is worth coming back to quickly; many a thing accepts connections.
        if self.register.answered() {
            self.backoff.reset();
        }
        Ok(end)
    }
}

/// Discovery publishes for as long as the loops run.
async fn changed(members: &mut watch::Receiver<Vec<Peer>>) {
    if members.changed().await.is_err() {
        pending().await
    }
}
