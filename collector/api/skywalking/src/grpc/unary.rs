//! Serves calls of one message and one answer, for every service that names something.
//!
//! There is one path from the wire to a handler: the message is counted, charged to the budget `work`, and decoded. A large message
//! is decoded on a thread outside the runtime. So no call can be added without a limit on its elements. A call without a descriptor
//! cannot be counted and is not served. Every call is counted in one place, with the outcome of its answer or refusal, including
//! calls that are refused before their handler runs.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Extensions, Request as HttpRequest, Response as HttpResponse},
    routing::post_service,
};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use prost::Message;
use rollcall_limits::{Charge, Peer, Work};
use rollcall_metrics::{Call, Durations, Metrics, Protocol};
use tokio::time::Instant;
use tonic::{Request, metadata::MetadataMap};
use tower::service_fn;

use super::{
    call::{Ended, end},
    shape::{Index, Refused, Shapes},
    stream::{self, Messages, PREFIX},
};

/// The calls of the services, collected one by one.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) router: Router,
    /// The paths of the calls in the router.
    pub(super) paths: Vec<&'static str>,
    /// The sizes of the futures that serve the calls, in bytes.
    #[cfg(test)]
    pub(super) futures: Vec<(&'static str, usize)>,
    max_message_size: usize,
    work: Work,
    metrics: Metrics,
}

/// A decoded message, and the charge for it, which is held until the answer is encoded.
struct Decoded<T> {
    message: T,
    /// The size of the message on the wire, in bytes.
    size: usize,
    charge: Charge,
}

/// What the requests of one call need besides their own state.
struct Served<H> {
    handler: Arc<H>,
    input: Index,
    max_message_size: usize,
    work: Work,
    calls: Call,
    durations: Durations,
}

impl Calls {
    pub(super) fn new(max_message_size: usize, work: Work, metrics: Metrics) -> Self {
        Self {
            router: Router::new(),
            paths: Vec::new(),
            #[cfg(test)]
            futures: Vec::new(),
            max_message_size,
            work,
            metrics,
        }
    }

    /// Serves a call at this path, without the leading slash.
    pub(super) fn add<H, Q, A, F>(
        mut self,
        path: &'static str,
        handler: &Arc<H>,
        call: impl Fn(Arc<H>, Request<Q>) -> F + Copy + Send + Sync + 'static,
    ) -> Self
    where
        H: Send + Sync + 'static,
        Q: Message + Default + 'static,
        A: Message + 'static,
        F: Future<Output = Ended<A>> + Send + 'static,
    {
        let Some(input) = Shapes::get().input(path) else {
            tracing::error!(path, "call without a descriptor, not served");
            return self;
        };
        let served = Arc::new(Served {
            handler: Arc::clone(handler),
            input,
            max_message_size: self.max_message_size,
            work: self.work.clone(),
            calls: self.metrics.call(Protocol::Grpc, path),
            durations: self.metrics.durations(generation(path)),
        });
        let serve = move |request: HttpRequest<Body>| {
            let response = Arc::clone(&served).serve(request, call);
            response.map(Ok::<_, Infallible>)
        };
        #[cfg(test)]
        self.futures.push((path, size_of_future(&serve)));
        self.router = self
            .router
            .route(&format!("/{path}"), post_service(service_fn(serve)));
        self.paths.push(path);
        self
    }
}

#[cfg(test)]
fn size_of_future<F>(_serve: &impl Fn(HttpRequest<Body>) -> F) -> usize {
    size_of::<F>()
}

/// The releases of agents that use the call at this path, for the metrics.
fn generation(path: &str) -> &'static str {
    let service = path.split('/').next().unwrap_or_default();
    match service {
        "Register" | "ServiceInstancePing" => "6-7",
        "ManagementService" => "8-10",
        "rollcall.Agent" => "rollcall",
        _ if service.starts_with("skywalking.v3.") => "8-10",
        _ => "3-5",
    }
}

impl<H: Send + Sync> Served<H> {
    /// Answers a request.
    ///
    /// The system's allocator keeps freed memory up to a kilobyte for the thread, and the future of a frequent call is smaller. So
    /// the head is taken apart before the future begins, and of it only what handlers use is kept.
    fn serve<Q, A, F>(
        self: Arc<Self>,
        request: HttpRequest<Body>,
        call: impl FnOnce(Arc<H>, Request<Q>) -> F + Send,
    ) -> impl Future<Output = HttpResponse<Body>> + Send
    where
        Q: Message + Default + 'static,
        A: Message + 'static,
        F: Future<Output = Ended<A>> + Send,
    {
        let (head, body) = request.into_parts();
        let encoded = stream::refuse_encoded(&head.headers);
        let mut messages =
            Messages::new(body, self.max_message_size).set_by(stream::MAX_MESSAGE_SIZE_KEY);
        let metadata = MetadataMap::from_headers(head.headers);
        let extensions = head.extensions;
        async move {
            let read = match encoded {
                Ok(()) => messages.only().await,
                Err(refused) => Err(refused),
            };
            drop(messages); // its body is charged until then
            let Ended { outcome, result } = match read {
                Err(broken) => end(Err(broken.into())),
                Ok(bytes) => {
                    let start = Instant::now();
                    let work = self.work.for_peer(extensions.get().copied());
                    let ended = match take(self.input, bytes, work).await {
                        Err(refused) => self.refuse(&extensions, refused),
                        Ok(Decoded {
                            message,
                            size,
                            charge,
                        }) => {
                            let request = Request::from_parts(metadata, extensions, message);
                            let ended = call(Arc::clone(&self.handler), request).await;
                            let ended = encode(ended, size, &self.work).await;
                            drop(charge);
                            ended
                        }
                    };
                    self.durations.count(ended.outcome, start.elapsed());
                    ended
                }
            };
            self.calls.count(outcome);
            result.unwrap_or_else(|refused| refused.into_http())
        }
    }

    /// Refuses a message that is not decoded.
    fn refuse(&self, extensions: &Extensions, refused: Refused) -> Ended<HttpResponse<Body>> {
        if let Refused::Work(error) = refused {
            self.work.refuse(extensions.get().copied(), error);
        }
        end(Err(refused.into()))
    }
}

async fn encode<A: Message + 'static>(
    ended: Ended<A>,
    size: usize,
    work: &Work,
) -> Ended<HttpResponse<Body>> {
    let Ended { outcome, result } = ended;
    let reply = match result {
        Ok(reply) => reply,
        Err(status) => {
            return Ended {
                outcome,
                result: Err(status),
            };
        }
    };
    match work.run(size, move || frame(&reply)).await {
        Ok(frame) => Ended {
            outcome,
            result: Ok(stream::answer(frame)),
        },
        Err(error) => end(Err(Refused::from(error).into())),
    }
}

async fn take<Q>(input: Index, bytes: Bytes, work: Work) -> Result<Decoded<Q>, Refused>
where
    Q: Message + Default + 'static,
{
    let length = bytes.len();
    let meter = work.clone();
    let decode = move || {
        let mut count = meter.count();
        Shapes::get().count_input(input, &bytes, &mut count)?;
        let charge = meter.charge(bytes.len(), &count)?;
        let message = Q::decode(bytes).map_err(|_error| Refused::Malformed)?;
        Ok(Decoded {
            message,
            size: length,
            charge,
        })
    };
    work.run(length, decode).await?
}

/// A message with its prefix.
pub(super) fn frame(reply: &impl Message) -> Bytes {
    let length = reply.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    // A reply is little larger than its request, which is far below the 4 GiB of the prefix.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    reply.encode_raw(&mut frame);
    frame.freeze()
}

/// The peer that sent a request, for the limits per peer.
pub(super) fn peer<T>(request: &Request<T>) -> Option<Peer> {
    request.extensions().get().copied()
}
