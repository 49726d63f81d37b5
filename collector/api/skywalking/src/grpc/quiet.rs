//! What agents call besides registration: telemetry, and requests for orders.
//!
//! All of it is taken, counted and dropped, renews the lease of the instances it names, and is answered with one empty
//! message, which says that there is nothing to do. An agent that is refused here would write to its log every few seconds.
//! One handler serves every call of the [`table`]: unary or streamed, a request is messages and an end.
//!
//! Nothing is decoded. A message is read for its senders ([`evidence`]); a large one, off the runtime's threads.

use axum::Router;
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use rollcall_limits::{Peer, Work};
use rollcall_metrics::{Call, Protocol};
use rollcall_service::{
    Services, heartbeat,
    register::{self, InstanceName},
};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status, metadata::MetadataMap};

use self::{
    evidence::{Evidence, Reader},
    table::{CALLS, Payload, Quiet},
};
use super::{
    call::{Refusal, end},
    convert,
    shape::Refused,
    stream::{self, Messages},
};

mod evidence;
mod sender;
mod table;

/// What is kept of an element that names a sender or an id, in bytes, and the fewest bytes that name one.
const KEPT: usize = 128;
const SHORTEST: usize = 8;

/// Every call of the table under each of its paths.
pub(super) fn router(
    services: &Services,
    max_message_size: usize,
    stop: &CancellationToken,
) -> Router {
    let mut router = Router::new();
    for quiet in CALLS {
        for path in quiet.paths {
            let handler = Handler::new(services, quiet, path, stop.clone());
            let take = move |metadata, peer, messages| handler.answer(metadata, peer, messages);
            let route = stream::route(max_message_size, take);
            router = router.route(&format!("/{path}"), route);
        }
    }
    router
}

/// The paths of all those calls.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    CALLS.iter().flat_map(|call| call.paths).copied()
}

/// The paths of those calls that are streams.
pub(super) fn streams() -> impl Iterator<Item = &'static str> {
    let streamed = CALLS.iter().filter(|call| call.is_streamed);
    streamed.flat_map(|call| call.paths).copied()
}

/// One call under one path.
#[derive(Clone, Debug)]
struct Handler {
    quiet: &'static Quiet,
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    work: Work,
    calls: Call,
    dropped: Counter,
    undecodable: Counter,
    stop: CancellationToken,
}

impl Handler {
    fn new(
        services: &Services,
        quiet: &'static Quiet,
        path: &'static str,
        stop: CancellationToken,
    ) -> Self {
        Self {
            quiet,
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
            work: services.work.clone(),
            calls: services.metrics.call(Protocol::Grpc, path),
            dropped: services.metrics.dropped(quiet.dropped),
            undecodable: services.metrics.dropped("undecodable_segments"),
            stop,
        }
    }

    async fn answer(
        mut self,
        metadata: MetadataMap,
        peer: Option<Peer>,
        messages: Messages,
    ) -> Result<(), Status> {
        self.register = self.register.for_peer(peer);
        self.heartbeat = self.heartbeat.for_peer(peer);
        let taken = self.take_all(&metadata, peer, messages).await;
        end(&self.calls, taken).map(Response::into_inner)
    }

    /// Takes messages until the agent has no more, or the collector stops: some agents hold one stream open for good.
    async fn take_all(
        &self,
        metadata: &MetadataMap,
        peer: Option<Peer>,
        mut messages: Messages,
    ) -> Result<(), Refusal> {
        let reader = Reader {
            quiet: self.quiet,
            resettable: !self.quiet.is_of_5x && convert::is_resettable(metadata),
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
            return self.believe(reader.read(&messages)?).await;
        }
        let kept = KEPT * reader.count.limit().min(bytes / SHORTEST);
        let charge = self.work.charge_bytes(bytes + kept);
        let _charge = charge.map_err(Refused::from)?;
        let reader = reader.clone();
        let read = move || reader.read(&messages).map(Evidence::into_owned);
        let evidence = self.work.run(bytes, read).await.map_err(Refused::from)??;
        self.believe(evidence).await
    }

    /// Renews the leases of the senders, and adopts what the inventory does not hold.
    async fn believe(&self, evidence: Evidence<'_>) -> Result<(), Refusal> {
        self.dropped.inc_by(evidence.messages);
        self.undecodable.inc_by(evidence.undecodable);
        if self.quiet.is_of_5x && self.quiet.payload == Payload::Other && evidence.is_anonymous() {
            let fault = convert::instance_id(convert::NO_ID).err();
            return fault.map_or(Ok(()), |fault| Err(fault.into()));
        }
        let signal = self.quiet.signal;
        // An unknown id that its agent will give up, with its next ping, need not be kept from others.
        for instance in evidence.resettable {
            self.heartbeat.renew_known(instance, signal);
        }
        let names: Vec<_> = evidence
            .names
            .iter()
            .map(|(service, instance)| InstanceName { service, instance })
            .collect();
        let named = self.heartbeat.renew_all_named(&names, signal).await;
        for (service, instance) in &evidence.goodbyes {
            self.heartbeat
                .leave_named(InstanceName { service, instance });
        }
        let signs = evidence.signs.into_values();
        let renewed = self.heartbeat.renew_all(signs).await;
        // The ids of a segment are in use whether or not its sender could be adopted.
        let adopted = self.register.adopt(evidence.held.into_iter()).await;
        for taken in [named, renewed, adopted] {
            self.skip_failed(taken)?;
        }
        Ok(())
    }

    /// Goes on, unless it helps the agent to know.
    fn skip_failed(&self, taken: Result<(), register::Error>) -> Result<(), Refusal> {
        match taken {
            // A segment that cannot be used does not spoil the others of its stream.
            Err(error)
                if self.quiet.is_of_5x
                    && (error.retryable() || self.quiet.payload == Payload::Other) =>
            {
                Err(error.into())
            }
            Err(error) => {
                tracing::debug!(%error, call = self.quiet.paths[0], "not taken as a sign of life");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
