//! What agents of 6.x and later call besides registration: telemetry, and requests for orders.
//!
//! All of it is taken, counted and dropped, renews the lease of whom it names, and is answered with one empty message,
//! which says that there is nothing to do. An agent that is refused here would write to its log every few seconds. One
//! handler serves every call of the [`table`]: unary or streamed, a request is messages and an end.

use std::pin::Pin;

use axum::{
    Router,
    body::Body,
    http::{Request, Response as HttpResponse},
    routing::post,
};
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use tokio_util::sync::CancellationToken;
use tonic::{
    Response, Status, Streaming, async_trait,
    body::Body as Reply,
    metadata::MetadataMap,
    server::{ClientStreamingService, Grpc},
};

use self::{
    raw::Raw,
    sender::Sender,
    table::{CALLS, Payload, Quiet},
};
use super::{
    call::{Refusal, end},
    convert,
    trace::Segments,
};
use crate::{
    metrics::{Call, Protocol},
    service::{
        Services,
        heartbeat::{self, Sign},
        register,
    },
};

mod raw;
mod sender;
mod table;

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
            let answer = move |request: Request<Body>| handler.answer(request, max_message_size);
            router = router.route(&format!("/{path}"), post(answer));
        }
    }
    router
}

/// One call under one path.
#[derive(Clone, Debug)]
struct Handler {
    quiet: &'static Quiet,
    heartbeat: heartbeat::Handle,
    segments: Segments,
    calls: Call,
    dropped: Counter,
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
            heartbeat: services.heartbeat.clone(),
            segments: Segments::new(services),
            calls: services.metrics.call(Protocol::Grpc, path),
            dropped: services.metrics.dropped(quiet.dropped),
            stop,
        }
    }

    async fn answer(self, request: Request<Body>, max_message_size: usize) -> HttpResponse<Reply> {
        Grpc::new(Raw)
            .apply_max_message_size_config(Some(max_message_size), None)
            .client_streaming(self, request)
            .await
    }

    /// Takes messages until the agent has no more, or the collector stops: some agents hold one stream open for good.
    async fn take_all(
        &self,
        metadata: &MetadataMap,
        mut messages: Streaming<Bytes>,
    ) -> Result<(), Refusal> {
        let resettable = convert::is_resettable(metadata);
        while let Some(next) = self.stop.run_until_cancelled(messages.message()).await {
            let Some(message) = next? else { break };
            self.take(&message, resettable).await;
        }
        Ok(())
    }

    async fn take(&self, message: &[u8], resettable: bool) {
        let (place, message) = match self.quiet.payload {
            Payload::Segments => match sender::segment_of_6x(message) {
                Some(segment) if !resettable => {
                    let taken = self.segments.take(segment).await;
                    return self.skip_failed(taken);
                }
                Some(segment) => (&table::SEGMENT_OF_6X, segment),
                None => (&self.quiet.sender, message),
            },
            Payload::Other => (&self.quiet.sender, message),
        };
        self.dropped.inc();
        for sender in place.senders(message) {
            let heard = self.hear(sender, resettable).await;
            self.skip_failed(heard);
        }
    }

    async fn hear(&self, sender: Sender<'_>, resettable: bool) -> Result<(), register::Error> {
        let signal = self.quiet.signal;
        match sender {
            Sender::Name(name) => self.heartbeat.renew_named(name, signal).await,
            // An unknown id that its agent will give up, with its next ping, need not be kept from others.
            Sender::Id(instance) if resettable => {
                self.heartbeat.renew_known(instance, signal);
                Ok(())
            }
            Sender::Id(instance) => {
                let sign = Sign {
                    instance,
                    application: None,
                    signal,
                };
                self.heartbeat.renew(sign).await
            }
        }
    }

    /// Goes on: the agent can do nothing about it here, and has calls that will tell it.
    fn skip_failed(&self, taken: Result<(), register::Error>) {
        if let Err(error) = taken {
            tracing::debug!(%error, call = self.quiet.paths[0], "not taken as a sign of life");
        }
    }
}

#[async_trait]
impl ClientStreamingService<Bytes> for Handler {
    type Response = ();
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let handler = self.clone();
        Box::pin(async move {
            let (metadata, _, messages) = request.into_parts();
            let taken = handler.take_all(&metadata, messages).await;
            end(&handler.calls, taken)
        })
    }
}
