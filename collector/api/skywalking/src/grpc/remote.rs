//! `RemoteCommonService`: registrations forwarded by other members. A stream is answered once all its registrations are durable.
//!
//! Upstream's collectors use the same service to send registrations and metrics of their own inventory. Such a stream is refused as
//! a whole. In the stream of a member, a message that cannot be executed ends the stream with a refusal, because a success answer
//! would lose the remaining registrations. The member then commits the refused registrations itself. Each refusal is counted and
//! degrades readiness for a while.

use std::time::Duration;

use axum::Router;
use prometheus_client::metrics::counter::Counter;
use prost::Message as _;
use rollcall_limits::{Peer, Work};
use rollcall_metrics::Protocol;
use rollcall_proto::remote::RemoteMessage;
use rollcall_service::{
    Services,
    readiness::{REMOTE, Readiness},
    register::{self, Registration, Rejected},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, metadata::MetadataMap};

use super::{
    call::Refusal,
    shape::{Refused, Shapes},
    stream::{self, Messages},
};
use crate::remote::{MEMBER, columns};

/// The largest message, in bytes. The properties that an agent may report are much smaller.
pub(super) const MAX_MESSAGE_SIZE: usize = 1 << 20;
/// The most registrations that are collected before a commit.
const BATCH: usize = 1024;
/// The most bytes of messages that are collected before a commit.
const BATCH_BYTES: usize = 1 << 20;

/// How long a refusal degrades readiness. A collector that keeps sending is refused again within this time.
const REMEMBERED: Duration = Duration::from_secs(120);
/// The most characters shown of a sender's `user-agent`.
const MAX_SHOWN: usize = 100;

/// The path of the call, also its label in the metrics.
pub(super) const CALL: &str = "RemoteCommonService/call";

pub(super) fn router(services: &Services, stop: CancellationToken) -> Router {
    let handler = Handler::new(services, stop);
    let take = move |metadata, peer, messages| handler.call(metadata, peer, messages);
    let calls = services.metrics.call(Protocol::Grpc, CALL);
    let route = stream::route(MAX_MESSAGE_SIZE, calls, take);
    Router::new().route(&format!("/{CALL}"), route)
}

#[derive(Clone, Debug)]
struct Handler {
    register: register::Handle,
    work: Work,
    unusable: Counter,
    readiness: Readiness,
    stop: CancellationToken,
}

impl Handler {
    fn new(services: &Services, stop: CancellationToken) -> Self {
        Self {
            register: services.register.clone(),
            work: services.work.clone(),
            unusable: services.metrics.dropped("remote_messages"),
            readiness: services.readiness.clone(),
            stop,
        }
    }

    async fn call(
        mut self,
        metadata: MetadataMap,
        peer: Option<Peer>,
        messages: Messages,
    ) -> Result<(), Refusal> {
        self.register = self.register.for_peer(peer);
        match foreign_sender(&metadata) {
            None => self.take_all(messages).await,
            Some(sender) => Err(self.foreign(&sender)),
        }
    }

    /// Commits everything on the stream, up to the first message that cannot be executed.
    async fn take_all(&self, mut messages: Messages) -> Result<(), Refusal> {
        let (mut batch, mut charges, mut bytes) = (Vec::new(), Vec::new(), 0);
        loop {
            let next = self.stop.run_until_cancelled(messages.next()).await;
            // The stream has not ended, so more registrations may follow.
            let Some(message) = next.ok_or(register::Error::Stopped)?? else {
                self.commit(batch).await?;
                return Ok(());
            };
            bytes += message.len();
            let mut count = self.work.count();
            Shapes::get().count(CALL, &message, &mut count)?;
            let charge = self.work.charge(message.len(), &count);
            charges.push(charge.map_err(Refused::from)?);
            let message = RemoteMessage::decode(message).map_err(stream::undecodable)?;
            match columns::decode(message) {
                Ok(registration) => batch.push(registration),
                Err(error) => {
                    self.commit(batch).await?;
                    return Err(self.unusable(1, &error.to_string()));
                }
            }
            if batch.len() >= BATCH || bytes >= BATCH_BYTES {
                self.commit(std::mem::take(&mut batch)).await?;
                charges.clear();
                bytes = 0;
            }
        }
    }

    async fn commit(&self, batch: Vec<Registration>) -> Result<(), Refusal> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.register.commit(batch).await? {
            None => Ok(()),
            Some(Rejected { count, reason }) => {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                Err(self.unusable(count, &reason.to_string()))
            }
        }
    }

    fn unusable(&self, messages: u64, why: &str) -> Refusal {
        let reason = format!("registrations of another member cannot be executed here: {why}");
        self.refuse(messages, &reason);
        Refusal::Unusable(Status::invalid_argument(reason))
    }

    fn foreign(&self, sender: &str) -> Refusal {
        let reason = format!(
            "a collector that is not a member of Rollcall ({sender}) sends registrations in its own format \
             and is refused: remove this collector's address from the ZooKeeper or the list of collectors that the sender reads"
        );
        self.refuse(1, &reason);
        Refusal::Unusable(Status::unimplemented(
            "this collector commits registrations of Rollcall's members only",
        ))
    }

    fn refuse(&self, messages: u64, reason: &str) {
        self.unusable.inc_by(messages);
        let until = Instant::now() + REMEMBERED;
        if self
            .readiness
            .degraded_until(REMOTE, reason.to_owned(), until)
        {
            tracing::warn!(reason, "a stream of another collector is refused");
        }
    }
}

/// The `user-agent` of a call's sender, if the sender is not a member.
fn foreign_sender(metadata: &MetadataMap) -> Option<String> {
    let agent = metadata
        .get("user-agent")
        .and_then(|agent| agent.to_str().ok());
    let agent = agent.unwrap_or_default();
    // Members of 0.1.0 do not identify themselves, but only Rollcall uses this service through tonic.
    let is_member = metadata.contains_key(MEMBER) || agent.starts_with("tonic/");
    let shown = || agent.chars().take(MAX_SHOWN).collect();
    (!is_member).then(shown)
}
