//! Serves calls of one message and one answer, for every service that names something.
//!
//! There is one path from the wire to a handler: the message is counted, charged to the budget `work`, and decoded; a large one,
//! off the runtime's threads. So no call can be added without a limit on its elements. A call that the descriptors lack cannot
//! be counted and is not served.

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
use rollcall_metrics::{Metrics, Outcome};
use tokio::time::Instant;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::status;

use super::{
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
        F: Future<Output = Result<Response<A>, Status>> + Send,
    {
        let Some(input) = Shapes::get().input(path) else {
            tracing::error!(path, "call without a descriptor, not served");
            return self;
        };
        let (handler, work) = (Arc::clone(handler), self.work.clone());
        let max = self.max_message_size;
        let durations = self.metrics.durations(generation(path));
        let serve = move |request: HttpRequest<Body>| async move {
            let start = Instant::now();
            let answered = answer(input, request, max, &work, |request| call(handler, request));
            let answered = answered.await;
            let outcome = answered
                .as_ref()
                .map_or_else(status::outcome, |_answer| Outcome::Ok);
            durations.count(outcome, start.elapsed());
            answered.unwrap_or_else(|refused| refused.into_http())
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

async fn answer<Q, A, F>(
    input: Index,
    request: HttpRequest<Body>,
    max: usize,
    work: &Work,
    call: impl FnOnce(Request<Q>) -> F,
) -> Result<HttpResponse<Body>, Status>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<Response<A>, Status>> + Send,
{
    let (head, body) = request.into_parts();
    stream::refuse_encoded(&head.headers)?;
    let peer = head.extensions.get().copied();
    let bytes = Messages::new(body, max)
        .set_by(stream::MAX_MESSAGE_SIZE_KEY)
        .only()
        .await?;
    let Decoded {
        message,
        size,
        charge,
    } = take(input, bytes, work).await.inspect_err(|refused| {
        if let Refused::Work(error) = refused {
            work.refuse(peer, *error);
        }
    })?;
    let metadata = MetadataMap::from_headers(head.headers);
    let request = Request::from_parts(metadata, head.extensions, message);
    let reply = call(request).await?.into_inner();
    let frame = work.run(size, move || frame(&reply)).await;
    let frame = frame.map_err(Refused::from)?;
    drop(charge);
    Ok(stream::answer(frame))
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
