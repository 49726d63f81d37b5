//! `RemoteCommonService`: registrations that other collectors pass on. A stream is answered once all of it is durable.

use prometheus_client::metrics::counter::Counter;
use rollcall_proto::remote::{Empty, RemoteCommonService, RemoteMessage};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::call::{Refusal, end};
use crate::{
    metrics::{Call, Protocol},
    remote::columns,
    service::{
        Services,
        register::{self, Registration},
    },
};

/// The largest message, in bytes. What an agent may tell of itself is a good deal smaller.
pub(super) const MAX_MESSAGE_SIZE: usize = 1 << 20;
/// Registrations that are held until they are committed together.
const BATCH: usize = 1024;
/// Bytes of them, likewise.
const BATCH_BYTES: usize = 1 << 20;
/// What one stream makes its listener hold at the most: a batch that is almost full, and one more message.
pub(super) const MAX_HELD: usize = BATCH_BYTES + MAX_MESSAGE_SIZE;

#[derive(Debug)]
pub(super) struct Handler {
    register: register::Handle,
    calls: Call,
    unusable: Counter,
    stop: CancellationToken,
}

impl Handler {
    pub(super) fn new(services: &Services, stop: CancellationToken) -> Self {
        Self {
            register: services.register.clone(),
            calls: services
                .metrics
                .call(Protocol::Grpc, "RemoteCommonService/call"),
            unusable: services.metrics.dropped("remote_messages"),
            stop,
        }
    }

    /// Commits everything on the stream. What cannot be used is counted and skipped, as upstream does with what it does not
    /// know: the others have nothing to do with it.
    async fn take_all(&self, mut messages: Streaming<RemoteMessage>) -> Result<Empty, Refusal> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        loop {
            let next = self.stop.run_until_cancelled(messages.message()).await;
            // There may be more to come, so that this was not all.
            let Some(message) = next.ok_or(register::Error::Stopped)?? else {
                self.commit(batch).await?;
                return Ok(Empty {});
            };
            bytes += prost::Message::encoded_len(&message);
            batch.extend(self.registration(message));
            if batch.len() >= BATCH || bytes >= BATCH_BYTES {
                self.commit(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
    }

    fn registration(&self, message: RemoteMessage) -> Option<Registration> {
        let decoded = columns::decode(message).inspect_err(|error| {
            tracing::debug!(%error, "a message of another collector was skipped");
            self.unusable.inc();
        });
        decoded.ok()
    }

    async fn commit(&self, batch: Vec<Registration>) -> Result<(), register::Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let refused = self.register.commit(batch).await?;
        self.unusable
            .inc_by(u64::try_from(refused).unwrap_or(u64::MAX));
        Ok(())
    }
}

#[async_trait]
impl RemoteCommonService for Handler {
    async fn call(
        &self,
        request: Request<Streaming<RemoteMessage>>,
    ) -> Result<Response<Empty>, Status> {
        end(&self.calls, self.take_all(request.into_inner()).await)
    }
}
