//! The channel loop: keeps one connection to one collector.

use std::{pin::pin, sync::Arc};

use http::Uri;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    Activity,
    backoff::Backoff,
    client::with_cause,
    collector::{Collector, ConnectError, Connection, Keepalives, connect, refuses_pings},
    peer::Peer,
    random,
    register::{Lost, Register},
    rotation::Rotation,
    shared::Shared,
};

/// Connects, runs the register loop on the connection, and reconnects when the connection ends.
///
/// The agent keeps a connection as long as it works. A change of the list of collectors does not move the agent, because a
/// collector that stops closes its connections itself.
#[derive(Debug)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
    members: watch::Receiver<Vec<Peer>>,
    rotation: Rotation,
    backoff: Backoff,
    keepalives: Keepalives,
    register: Register,
}

/// The reason why a connection ended or could not be opened.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("not an address: {0}")]
    Address(#[from] http::Error),
    #[error("connection closed")]
    Closed,
    #[error("connection broke: {}", with_cause(.0))]
    Broke(#[from] hyper::Error),
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
            keepalives: Keepalives::new(shared.config.keepalive),
            shared,
            members,
            register,
        }
    }

    /// Runs until a stop is requested, then sends the goodbye.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let stop = &shared.stop;
        while let Some(member) = stop.or(self.next()).await {
            let end = self.serve(&member).await;
            // Publishes the reason before the disconnection, so that a status without a collector always has the reason.
            if let Some(end) = &end {
                self.report(&member, end);
            }
            self.register.disconnected();
            if end.is_none() || stop.or(self.pause()).await.is_none() {
                return;
            }
        }
    }

    fn report(&mut self, member: &Peer, end: &End) {
        match end {
            End::Broke(error) if refuses_pings(error) => {
                self.keepalives.refused(member, &self.members.borrow());
            }
            End::Connect(_) | End::Closed | End::Broke(_) => self.keepalives.ended(member),
            // The calls may have failed before the connection reported that the collector refuses pings.
            End::Lost(_) | End::Address(_) => {}
        }
        self.shared.counters.connection_failures.increment();
        self.shared
            .report_error(Activity::Connection, &format_args!("{member}: {end}"));
    }

    /// The next member to connect to. Waits until the list of collectors has a member.
    async fn next(&mut self) -> Peer {
        loop {
            let next = self.rotation.next(&self.members.borrow_and_update());
            if let Some(member) = next {
                return member;
            }
            changed(&mut self.members).await;
        }
    }

    /// Waits for the end of the backoff, or for a change of the list of collectors: a new collector may be reachable.
    async fn pause(&mut self) {
        tokio::select! {
            () = sleep(self.backoff.next(random::number())) => {}
            () = changed(&mut self.members) => {}
        }
    }

    /// Opens one connection and runs until it ends. `None` if a stop was requested.
    async fn serve(&mut self, member: &Peer) -> Option<End> {
        let shared = Arc::clone(&self.shared);
        let (collector, connection) = match shared.stop.or(self.open(member)).await? {
            Ok(opened) => opened,
            Err(end) => return Some(end),
        };
        let mut connection = pin!(connection);
        shared.connected(member);
        let since = Instant::now();
        let end = shared.stop.or(async {
            tokio::select! {
                lost = Box::pin(self.register.run(&collector)) => End::Lost(lost),
                closed = &mut connection => closed.map_or_else(End::Broke, |()| End::Closed),
            }
        });
        let end = end.await;
        if end.is_none() {
            tokio::select! {
                () = self.register.goodbye(&collector) => {}
                _ = connection => {}
            }
        }
        // Neither an accepted connection nor a single successful call proves that the collector works: it may refuse the next call.
        if self.register.has_succeeded() {
            self.backoff.served(since.elapsed());
        }
        end
    }

    async fn open(&self, member: &Peer) -> Result<(Collector, Connection), End> {
        let config = &self.shared.config;
        let tls = config.tls.as_ref();
        let origin = Uri::builder()
            .scheme(if tls.is_some() { "https" } else { "http" })
            .authority(member.to_string())
            .path_and_query("/")
            .build()?;
        let authentication = config.authentication.as_ref();
        let connecting = connect(
            (member, tls),
            authentication,
            config.connect_timeout,
            self.keepalives.of(member),
        );
        let (transport, connection) = connecting.await?;
        let collector = Collector::new(transport, origin, config.call_timeout);
        Ok((collector, connection))
    }
}

/// Waits for a change of the list of collectors; waits forever if the list can no longer change.
async fn changed(members: &mut watch::Receiver<Vec<Peer>>) {
    if members.changed().await.is_err() {
        std::future::pending().await
    }
}
