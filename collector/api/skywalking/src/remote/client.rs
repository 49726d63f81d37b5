//! Sends registrations to one other collector.

use std::{mem, sync::Arc, time::Duration};

use futures_util::stream;
use rollcall_domain::Timestamp;
use rollcall_proto::remote::{RemoteCommonServiceClient, RemoteMessage};
use rollcall_runtime::Clock;
use rollcall_service::register::Registration;
use rollcall_tls::Certificates;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, error::Elapsed, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    transport::{self, Channel, Endpoint},
};

use super::{
    MEMBER, columns, connector::Connector, counters::Counters, error::Error,
    keep_alive::keep_alive, refusal::Refusal,
};

#[cfg(test)]
mod tests;

/// Settings of the clients.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most registrations that are queued for one member or on the way to it. Further ones are refused at once.
    pub buffer_size: usize,
    /// The timeout of a member for a connection and for the answer to one stream.
    pub patience: Duration,
    /// The certificate for connections over TLS; `None` for plain connections.
    pub certificates: Option<Certificates>,
    /// The agents' token, which members require with every call; `None` if none is configured.
    pub token: Option<AsciiMetadataValue>,
}

/// The backoff after a failure of a member, so that few callers wait for an unavailable member.
const BACKOFF: Duration = Duration::from_secs(1);

/// Forwards registrations to one member. Dropping it closes the connection and fails all waiting callers.
#[derive(Debug)]
pub struct Client {
    parcels: mpsc::Sender<Parcel>,
    room: Arc<Semaphore>,
    counters: Counters,
    _open: DropGuard,
}

/// The registrations of one waiting caller.
#[derive(Debug)]
struct Parcel {
    registrations: Vec<Registration>,
    reply: oneshot::Sender<Result<(), Error>>,
    _room: OwnedSemaphorePermit,
}

/// The task that sends a client's parcels.
#[derive(Debug)]
pub(super) struct Link {
    member: Arc<str>,
    service: RemoteCommonServiceClient<Channel>,
    config: Config,
    clock: Clock,
    counters: Counters,
    parcels: mpsc::Receiver<Parcel>,
    underway: Vec<Parcel>,
    backing_off_until: Option<Instant>,
    refusal: Refusal,
    /// The reason for the TLS failure that was logged last, so that the same reason is not logged again.
    reported: Option<String>,
    closed: CancellationToken,
}

/// A client of the collector `member` (`host:port`), and the task to run for it.
///
/// # Errors
///
/// `member` is not an address.
pub(super) fn open(
    member: &Arc<str>,
    config: &Config,
    clock: Clock,
    counters: &Counters,
) -> Result<(Client, Link), transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{member}"))?;
    let endpoint = keep_alive(endpoint, config.patience);
    let refusal = Refusal::default();
    let channel = match &config.certificates {
        None => endpoint.connect_lazy(),
        Some(certificates) => endpoint.connect_with_connector_lazy(Connector {
            certificates: certificates.clone(),
            refusal: refusal.clone(),
            patience: config.patience,
        }),
    };
    let room = config.buffer_size.min(Semaphore::MAX_PERMITS);
    let (sender, receiver) = mpsc::channel(room);
    let closed = CancellationToken::new();
    let link = Link {
        member: Arc::clone(member),
        service: RemoteCommonServiceClient::new(channel),
        config: config.clone(),
        clock,
        counters: counters.clone(),
        parcels: receiver,
        underway: Vec::new(),
        backing_off_until: None,
        refusal,
        reported: None,
        closed: closed.clone(),
    };
    let client = Client {
        parcels: sender,
        room: Arc::new(Semaphore::new(room)),
        counters: counters.clone(),
        _open: closed.drop_guard(),
    };
    Ok((client, link))
}

// === impl Client ===

impl Client {
    /// Requests that the member commit these registrations, and returns once it confirms. Registrations that arrive while the
    /// member works on a stream go into the next stream together.
    ///
    /// # Errors
    ///
    /// The member did not confirm the commit; see [`Error`].
    pub fn commit(
        &self,
        registrations: Vec<Registration>,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let forwarded = self.enqueue(registrations);
        async move { forwarded?.await.unwrap_or(Err(Error::MemberLeft)) }
    }

    fn enqueue(
        &self,
        registrations: Vec<Registration>,
    ) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        let count = registrations.len();
        let room = Arc::clone(&self.room);
        let room = u32::try_from(count)
            .ok()
            .and_then(|count| room.try_acquire_many_owned(count).ok());
        let (reply, answer) = oneshot::channel();
        let sent = room.ok_or(Error::Full).and_then(|room| {
            let parcel = Parcel {
                registrations,
                reply,
                _room: room,
            };
            self.parcels
                .try_send(parcel)
                .map_err(|refused| match refused {
                    mpsc::error::TrySendError::Full(_) => Error::Full,
                    mpsc::error::TrySendError::Closed(_) => Error::MemberLeft,
                })
        });
        match sent {
            Ok(()) => Ok(answer),
            Err(error) => {
                self.counters.count(Err(error), count);
                Err(error)
            }
        }
    }
}

// === impl Link ===

impl Link {
    /// Sends queued parcels until the client is dropped.
    pub(super) async fn run(mut self) {
        let closed = self.closed.clone();
        closed.run_until_cancelled(self.send_all()).await;
        self.parcels.close();
        while let Ok(parcel) = self.parcels.try_recv() {
            self.underway.push(parcel);
        }
        self.answer(Err(Error::MemberLeft));
    }

    async fn send_all(&mut self) {
        let most = self.parcels.max_capacity();
        while self.parcels.recv_many(&mut self.underway, most).await > 0 {
            let sent = if self
                .backing_off_until
                .is_some_and(|until| Instant::now() < until)
            {
                Err(Error::BackingOff)
            } else {
                self.send().await
            };
            self.answer(sent);
        }
    }

    /// Sends the current batch as one stream, and waits for the member's answer.
    async fn send(&mut self) -> Result<(), Error> {
        let messages = self.messages(self.clock.wall());
        let mut request = Request::new(stream::iter(messages));
        let version = AsciiMetadataValue::from_static(env!("CARGO_PKG_VERSION"));
        request.metadata_mut().insert(MEMBER, version);
        if let Some(token) = &self.config.token {
            request
                .metadata_mut()
                .insert("authentication", token.clone());
        }
        let (error, status) = match timeout(self.config.patience, self.service.call(request)).await
        {
            Ok(Ok(_empty)) => {
                self.record_success();
                return Ok(());
            }
            Ok(Err(status)) => (Error::Failed, status),
            Err(Elapsed { .. }) => (Error::TimedOut, Status::deadline_exceeded("no answer")),
        };
        self.record_failure(&status);
        Err(error)
    }

    fn messages(&self, at: Timestamp) -> Vec<RemoteMessage> {
        let registrations = self.underway.iter().flat_map(|it| &it.registrations);
        registrations
            .map(|registration| columns::encode(registration, at))
            .collect()
    }

    fn record_success(&mut self) {
        self.reported = None;
        if self.backing_off_until.take().is_some() {
            tracing::info!(member = %self.member, "member available again, registrations are forwarded to it");
        }
    }

    /// Begins the backoff. Logs the first failure. Also logs the reason for a TLS failure as soon as it is known, because an
    /// operator then has to replace a certificate.
    fn record_failure(&mut self, status: &Status) {
        let until = Instant::now() + BACKOFF;
        let is_first = self.backing_off_until.replace(until).is_none();
        let member = &self.member;
        match self.refusal.take() {
            Some(reason) if self.reported.as_ref() != Some(&reason) => {
                tracing::warn!(%member, reason, "no TLS with a member, registrations are committed here");
                self.reported = Some(reason);
            }
            None if is_first => {
                tracing::info!(%member, %status, "member unavailable, registrations are committed here");
            }
            _ => {}
        }
    }

    /// Reports the outcome to the callers of the current batch.
    fn answer(&mut self, outcome: Result<(), Error>) {
        for parcel in mem::take(&mut self.underway) {
            self.counters.count(outcome, parcel.registrations.len());
            if parcel.reply.send(outcome).is_err() {
                tracing::trace!("the caller gave up before the outcome");
            }
        }
    }
}
