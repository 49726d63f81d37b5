//! The calls of the face, from the wire to a handler and back.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    http::{
        Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE,
    },
    response::IntoResponse as _,
    routing::post,
};
use bytes::Bytes;
use http_body::{Frame as BodyFrame, SizeHint};
use rollcall_server::face::{Messages, refuse_encoded};
use tokio::time::Instant;
use tonic::Status;

use super::{
    answer::{self, code},
    envelope::Envelope,
    face::Face,
    frame::Frame,
    kind::Kind,
    stream::Stream,
    transport::Transport,
};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The path of the stream, without the leading slash: the server stack sets no time limit on it.
pub const STREAM: &str = "BiRequestStream/requestBiStream";

/// The answer to a configuration request.
const NO_CONFIGURATION: &str = "this server serves naming and no configuration: point the configuration client at a \
                                server that does, or turn it off (spring.cloud.nacos.config.enabled=false)";

impl Face {
    /// The calls of this face, without a fallback. `transport` returns the transport of a request. The router calls it while it
    /// handles the request.
    pub fn router<T>(self: &Arc<Self>, transport: T) -> Router
    where
        T: Fn(&Extensions) -> Option<Transport> + Clone + Send + Sync + 'static,
    {
        let (face, find) = (Arc::clone(self), transport.clone());
        let call = post(move |request: Request<Body>| async move {
            let transport = find(request.extensions());
            call(&face, transport, request).await
        });
        let (face, find) = (Arc::clone(self), transport);
        let open = post(move |request: Request<Body>| async move {
            let transport = find(request.extensions());
            open(&face, transport, request)
        });
        Router::new()
            .route("/Request/request", call)
            .route(&format!("/{STREAM}"), open)
    }

    /// Answers a message of a unary call.
    async fn answer(&self, transport: &Transport, envelope: &Envelope) -> Frame {
        let start = Instant::now();
        let kind = Kind::of(envelope.kind());
        let answer = match kind {
            Some(kind) => self.answer_kind(transport, kind, envelope).await,
            None => Err(refused(code::NO_HANDLER, "RequestHandler Not Found")),
        };
        let code = answer.as_ref().err().map(|(code, _)| *code);
        self.metrics.called(kind, code, start.elapsed());
        answer.unwrap_or_else(|(_, frame)| frame)
    }

    /// Answers a message of a known type. A refusal carries its code beside the answer.
    async fn answer_kind(
        &self,
        transport: &Transport,
        kind: Kind,
        envelope: &Envelope,
    ) -> Result<Frame, (i32, Frame)> {
        if kind == Kind::ServerCheck {
            let present = self.connections.of(transport.number);
            let text = present.map_or_else(|| transport.text(None), |c| c.text().to_owned());
            return Ok(answer::server_check(&text));
        }
        let connection = self.connections.set_up(transport.number).await;
        let connection =
            connection.ok_or_else(|| refused(code::UNREGISTERED, "Connection is unregistered."))?;
        connection.touch(self.now());
        match kind {
            Kind::ServerCheck | Kind::HealthCheck => Ok(answer::health_check()),
            Kind::Config(response) => {
                let frame = answer::typed_error(response, code::NOT_SERVED, NO_CONFIGURATION);
                Err((code::NOT_SERVED, frame))
            }
            Kind::Cluster => {
                let text = format!(" invoke {} from sdk is forbidden", envelope.kind());
                Err(refused(code::UNREADABLE, &text))
            }
            Kind::Naming(naming) => {
                let answered = self.answer_naming(&connection, naming, envelope).await;
                answered.map_err(|refusal| (refusal.code, refusal.into_frame(naming)))
            }
        }
    }
}

/// A refusal as an `ErrorResponse`, with its code.
fn refused(code: i32, message: &str) -> (i32, Frame) {
    (code, answer::error(code, message))
}

async fn call(face: &Face, transport: Option<Transport>, request: Request<Body>) -> Response<Body> {
    match answered(face, transport, request).await {
        Ok(frame) => respond(Body::new(Whole::new(frame))),
        Err(status) => status.into_http(),
    }
}

async fn answered(
    face: &Face,
    transport: Option<Transport>,
    request: Request<Body>,
) -> Result<Frame, Status> {
    let (transport, mut messages) = begin(face, transport, request)?;
    let message = messages.only().await?;
    drop(messages); // its body is charged until then
    let envelope =
        Envelope::read(&message).map_err(|malformed| Status::internal(malformed.to_string()))?;
    Ok(face.answer(&transport, &envelope).await)
}

fn open(face: &Arc<Face>, transport: Option<Transport>, request: Request<Body>) -> Response<Body> {
    match opened(face, transport, request) {
        Ok(stream) => respond(Body::new(stream)),
        Err(status) => status.into_http(),
    }
}

fn opened(
    face: &Arc<Face>,
    transport: Option<Transport>,
    request: Request<Body>,
) -> Result<Stream, Status> {
    let (transport, messages) = begin(face, transport, request)?;
    if face.stop.is_cancelled() {
        return Err(Status::unavailable("this server stops"));
    }
    let connection = face.open(transport).map_err(Status::resource_exhausted)?;
    Ok(Stream::new(Arc::clone(face), connection, messages))
}

fn begin(
    face: &Face,
    transport: Option<Transport>,
    request: Request<Body>,
) -> Result<(Transport, Messages), Status> {
    let (head, body) = request.into_parts();
    refuse_encoded(&head.headers)?;
    let transport = transport.ok_or_else(|| Status::internal("the request has no transport"))?;
    let messages = Messages::new(body, face.config.max_message_size);
    Ok((transport, messages.set_by("nacos.default.max_message_size")))
}

fn respond(body: Body) -> Response<Body> {
    ([(CONTENT_TYPE, GRPC)], body).into_response()
}

/// The body of an answer: one message, and the status of success.
#[derive(Debug)]
struct Whole {
    head: Bytes,
    tail: Bytes,
    has_trailers: bool,
}

impl Whole {
    fn new(frame: Frame) -> Self {
        let Frame { head, tail } = frame;
        Self {
            head,
            tail,
            has_trailers: true,
        }
    }
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let this = &mut *self;
        for part in [&mut this.head, &mut this.tail] {
            if !part.is_empty() {
                return Poll::Ready(Some(Ok(BodyFrame::data(std::mem::take(part)))));
            }
        }
        if !std::mem::take(&mut this.has_trailers) {
            return Poll::Ready(None);
        }
        let status = [(GRPC_STATUS, HeaderValue::from_static("0"))];
        let trailers = HeaderMap::from_iter(status);
        Poll::Ready(Some(Ok(BodyFrame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        !self.has_trailers
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.head.len() + self.tail.len();
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
