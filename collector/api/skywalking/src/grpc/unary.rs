//! Serves calls of one message and one answer, for every service that names something.
//!
//! There is one path from the wire to a handler: the message is counted, charged to the budget `work`, and decoded. A large message
//! is decoded on a thread outside the runtime. So no call can be added without a limit on its elements. A call without a descriptor
//! cannot be counted and is not served. Every call is counted in one place, with the outcome of its answer or refusal, including
//! calls that are refused before their handler runs.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request as HttpRequest, Response as HttpResponse},
    routing::post,
};
use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;
use rollcall_limits::{Charge, Peer, Work};
use rollcall_metrics::{Metrics, Protocol};
use tokio::time::Instant;
use tonic::{Request, metadata::MetadataMap};

use super::{
    call::{Ended, Refusal, end},
    shape::{Index, Refused, Shapes},
    stream::{self, Messages, PREFIX},
};

/// The calls of the services, collected one by one.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) router: Router,
    /// The paths of the calls in the router.
    pub(super) paths: Vec<&'static str>,
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

impl Calls {
    pub(super) fn new(max_message_size: usize, work: Work, metrics: Metrics) -> Self {
        Self {
            router: Router::new(),
            paths: Vec::new(),
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
        F: Future<Output = Ended<A>> + Send,
    {
        let Some(input) = Shapes::get().input(path) else {
            tracing::error!(path, "call without a descriptor, not served");
            return self;
        };
        let (handler, work) = (Arc::clone(handler), self.work.clone());
        let max = self.max_message_size;
        let calls = self.metrics.call(Protocol::Grpc, path);
        let durations = self.metrics.durations(generation(path));
        let serve = move |request: HttpRequest<Body>| async move {
            let (outcome, result) = match read(request, max).await {
                Ok(request) => {
                    let start = Instant::now();
                    let call = |request| call(handler, request);
                    let Ended { outcome, result } = answer(input, request, &work, call).await;
                    durations.count(outcome, start.elapsed());
                    (outcome, result)
                }
                Err(refusal) => {
                    let Ended { outcome, result } = end(Err(refusal));
                    (outcome, result)
                }
            };
            calls.count(outcome);
            result.unwrap_or_else(|refused| refused.into_http())
        };
        self.router = self.router.route(&format!("/{path}"), post(serve));
        self.paths.push(path);
        self
    }
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

/// Reads a whole request without decoding its message.
async fn read(request: HttpRequest<Body>, max: usize) -> Result<HttpRequest<Bytes>, Refusal> {
    let (head, body) = request.into_parts();
    stream::refuse_encoded(&head.headers)?;
    let messages = Messages::new(body, max).set_by(stream::MAX_MESSAGE_SIZE_KEY);
    Ok(HttpRequest::from_parts(head, messages.only().await?))
}

async fn answer<Q, A, F>(
    input: Index,
    request: HttpRequest<Bytes>,
    work: &Work,
    call: impl FnOnce(Request<Q>) -> F,
) -> Ended<HttpResponse<Body>>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Ended<A>> + Send,
{
    let (head, bytes) = request.into_parts();
    let peer = head.extensions.get().copied();
    let Decoded {
        message,
        size,
        charge,
    } = match take(input, bytes, work).await {
        Ok(decoded) => decoded,
        Err(refused) => {
            if let Refused::Work(error) = refused {
                work.refuse(peer, error);
            }
            return end(Err(refused.into()));
        }
    };
    let metadata = MetadataMap::from_headers(head.headers);
    let request = Request::from_parts(metadata, head.extensions, message);
    let Ended { outcome, result } = call(request).await;
    let reply = match result {
        Ok(reply) => reply,
        Err(status) => {
            return Ended {
                outcome,
                result: Err(status),
            };
        }
    };
    let frame = work.run(size, move || frame(&reply)).await;
    drop(charge);
    match frame {
        Ok(frame) => Ended {
            outcome,
            result: Ok(stream::answer(frame)),
        },
        Err(error) => end(Err(Refused::from(error).into())),
    }
}

async fn take<Q>(input: Index, bytes: Bytes, work: &Work) -> Result<Decoded<Q>, Refused>
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
