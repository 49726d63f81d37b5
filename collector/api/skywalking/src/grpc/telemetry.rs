//! Serves the agents' other calls: telemetry, and polls for commands.
//!
//! Every message is accepted, counted and dropped. It renews the leases of the instances that it names. The answer is one empty
//! message, which carries no command. It is not an error, because an error would make the agent write to its log every few seconds.
//! One handler serves every call of the [`table`]; a unary call is a stream of one message.
//!
//! Nothing is decoded. A message is scanned for its senders ([`evidence`]). A large message is scanned on a thread outside the
//! runtime.

use axum::Router;
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use rollcall_domain::liveness::Signal;
use rollcall_limits::{Peer, Work};
use rollcall_metrics::Protocol;
use rollcall_service::{
    Services, heartbeat,
    register::{self, InstanceName},
};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;

use self::{
    evidence::{Evidence, OwnedSender, Reader},
    table::{CALLS, Payload, TelemetryCall},
};
use super::{
    call::Refusal,
    convert,
    shape::Refused,
    stream::{self, Messages},
};

mod evidence;
mod sender;
mod table;

/// The memory that is kept for an element that names a sender or an id, in bytes; and below, the fewest bytes of such an element on
/// the wire.
const KEPT: usize = 128;
const SHORTEST: usize = 8;

/// Every call of the table under each of its paths.
pub(super) fn router(
    services: &Services,
    max_message_size: usize,
    stop: &CancellationToken,
) -> Router {
    let mut router = Router::new();
    for row in CALLS {
        for path in row.paths {
            let handler = Handler::new(services, row, stop.clone());
            let calls = services.metrics.call(Protocol::Grpc, path);
            let take = move |metadata, peer, messages: Messages| {
                let messages = messages.set_by(stream::MAX_MESSAGE_SIZE_KEY);
                handler.answer(metadata, peer, messages)
            };
            let route = stream::route(max_message_size, calls, take);
            router = router.route(&format!("/{path}"), route);
        }
    }
    router
}

/// The paths of all calls.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    CALLS.iter().flat_map(|call| call.paths).copied()
}

/// The paths of the streaming calls.
pub(super) fn streams() -> impl Iterator<Item = &'static str> {
    let streamed = CALLS.iter().filter(|call| call.is_streamed);
    streamed.flat_map(|call| call.paths).copied()
}

/// One call.
#[derive(Clone, Debug)]
struct Handler {
    row: &'static TelemetryCall,
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    work: Work,
    dropped: Counter,
    undecodable: Counter,
    stop: CancellationToken,
}

impl Handler {
    fn new(services: &Services, row: &'static TelemetryCall, stop: CancellationToken) -> Self {
        Self {
            row,
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
            work: services.work.clone(),
            dropped: services.metrics.dropped(row.dropped),
            undecodable: services.metrics.dropped("undecodable_segments"),
            stop,
        }
    }

    async fn answer(
        mut self,
        metadata: MetadataMap,
        peer: Option<Peer>,
        messages: Messages,
    ) -> Result<(), Refusal> {
        self.register = self.register.for_peer(peer);
        self.heartbeat = self.heartbeat.for_peer(peer);
        self.work = self.work.for_peer(peer);
        self.take_all(&metadata, peer, messages).await
    }

    /// Reads messages until the agent ends the stream or the collector stops: some agents hold one stream open indefinitely.
    async fn take_all(
        &self,
        metadata: &MetadataMap,
        peer: Option<Peer>,
        mut messages: Messages,
    ) -> Result<(), Refusal> {
        let reader = Reader {
            row: self.row,
            resettable: !self.row.is_of_5x && convert::is_resettable(metadata),
            count: self.work.count(),
        };
        while let Some(next) = self.stop.run_until_cancelled(messages.next_some()).await {
            let some = next?;
            if some.is_empty() {
                break;
            }
            self.take(&reader, some).await.inspect_err(|refusal| {
                if let Refusal::Message(Refused::Work(error)) = refusal {
                    self.work.refuse(peer, *error);
                }
            })?;
        }
        Ok(())
    }

    async fn take(&self, reader: &Reader, messages: Vec<Bytes>) -> Result<(), Refusal> {
        let bytes = messages.iter().map(Bytes::len).sum();
        if Work::is_small(bytes) {
            let evidence = reader.read(&messages)?;
            let clock = self.read_clock(&messages, &evidence);
            let is_renewed = self.record(evidence).await?;
            // The clock is reported only if the sender was not refused: a refused id belongs to another process.
            if let Some((sender, skew)) = clock.filter(|_| is_renewed) {
                sender.report_clock(&self.heartbeat, skew);
            }
            return Ok(());
        }
        let kept = KEPT * reader.count.limit().min(bytes / SHORTEST);
        let charge = self.work.charge_bytes(bytes + kept);
        let _charge = charge.map_err(Refused::from)?;
        let reader = reader.clone();
        let read = move || reader.read(&messages).map(Evidence::into_owned);
        let evidence = self.work.run(bytes, read).await.map_err(Refused::from)??;
        self.record(evidence).await.map(drop)
    }

    /// The sender of JVM metrics and how far its clock is ahead, in milliseconds; `None` if the clock was compared a short time
    /// ago.
    fn read_clock(
        &self,
        messages: &[Bytes],
        evidence: &Evidence<'_>,
    ) -> Option<(OwnedSender, i32)> {
        if self.row.signal != Signal::JvmMetrics {
            return None;
        }
        let time = sender::time_of_jvm(messages.first()?)?;
        let skew = self.heartbeat.read_clock(Some(time))?;
        Some((evidence.sender()?, skew))
    }

    /// Renews the leases of the senders, and adopts ids that the inventory does not have. Returns `true` if no sender was refused.
    async fn record(&self, evidence: Evidence<'_>) -> Result<bool, Refusal> {
        self.dropped.inc_by(evidence.messages);
        self.undecodable.inc_by(evidence.undecodable);
        if self.row.is_of_5x && self.row.payload == Payload::Other && evidence.is_anonymous() {
            let fault = convert::instance_id(convert::NO_ID).err();
            return fault.map_or(Ok(false), |fault| Err(fault.into()));
        }
        let signal = self.row.signal;
        // These agents drop an unknown id with their next ping, so the id is not adopted.
        let mut is_renewed = true;
        for sign in evidence.resettable.into_values() {
            is_renewed &= self.heartbeat.renew_known(sign);
        }
        let names: Vec<_> = evidence
            .names
            .iter()
            .map(|(service, instance)| InstanceName { service, instance })
            .collect();
        let named = self.heartbeat.renew_all_named(&names, signal).await;
        let goodbyes = evidence.goodbyes.iter();
        let goodbyes = goodbyes.map(|(service, instance)| InstanceName { service, instance });
        let left = self.heartbeat.leave_all_named(goodbyes).await;
        let signs = evidence.signs.into_values();
        let renewed = self.heartbeat.renew_all(signs).await;
        // The ids of a segment are in use even if its sender could not be adopted.
        let adopted = self.register.adopt(evidence.held.into_iter()).await;
        is_renewed &= named.is_ok() && renewed.is_ok();
        for taken in [named, left, renewed, adopted] {
            self.skip_failed(taken)?;
        }
        Ok(is_renewed)
    }

    /// Ignores a failure that the agent cannot react to.
    fn skip_failed(&self, taken: Result<(), register::Error>) -> Result<(), Refusal> {
        match taken {
            // An unusable segment does not affect the others of its stream.
            Err(error)
                if self.row.is_of_5x
                    && (error.retryable() || self.row.payload == Payload::Other) =>
            {
                Err(error.into())
            }
            Err(error) => {
                tracing::debug!(%error, call = self.row.paths[0], "not taken as a sign of life");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
