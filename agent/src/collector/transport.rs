//! One HTTP/2 connection as a transport of tonic's clients.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{
    HeaderValue, Request, Response,
    header::{HeaderName, USER_AGENT},
};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tonic::{Status, body::Body};

use super::keepalive::Keepalive;
use crate::{
    client::AGENT_NAME,
    config::Authentication,
    peer::Peer,
    tls::{self, Above, Stream, Tls},
};

/// Upstream's metadata key for the token (proto/docs/skywalking.md section 4.8).
const AUTHENTICATION: HeaderName = HeaderName::from_static("authentication");

/// The reason why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("no connection in time")]
    Timeout,
    #[error("no HTTP/2: {0}")]
    Http2(#[from] hyper::Error),
}

/// Sends requests on the connection. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    sender: http2::SendRequest<Body>,
    authentication: Option<HeaderValue>,
}

/// Whether the collector closed the connection because of too many pings.
pub(crate) fn refuses_pings(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|error: &h2::Error| error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM))
}

/// The future that drives a connection and ends when the connection ends.
pub(crate) type Connection<S = Stream> = http2::Connection<TokioIo<S>, Body, TokioExecutor>;

/// Connects. The caller must poll the returned [`Connection`] beside the calls.
pub(crate) async fn connect(
    (collector, tls): (&Peer, Option<&Tls>),
    authentication: Option<&Authentication>,
    limit: Duration,
    keepalive: Keepalive,
) -> Result<(Transport, Connection), ConnectError> {
    let connecting = async {
        let stream = tls::connect(collector, tls, Above::Http2, limit).await?;
        Ok::<_, ConnectError>(handshake(stream, keepalive).await?)
    };
    let connected = timeout(limit, connecting).await;
    let (sender, connection) = connected.map_err(|_elapsed| ConnectError::Timeout)??;
    let authentication = authentication.map(|token| token.0.clone());
    Ok((
        Transport {
            sender,
            authentication,
        },
        connection,
    ))
}

async fn handshake<S>(
    stream: S,
    keepalive: Keepalive,
) -> hyper::Result<(http2::SendRequest<Body>, Connection<S>)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(keepalive.interval)
        .keep_alive_timeout(keepalive.timeout)
        .keep_alive_while_idle(true);
    builder.handshake(TokioIo::new(stream)).await
}

impl tower_service::Service<Request<Body>> for Transport {
    type Response = Response<Incoming>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.sender.poll_ready(context).map_err(unavailable)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT_NAME));
        if let Some(token) = &self.authentication {
            headers.insert(AUTHENTICATION, token.clone());
        }
        let response = self.sender.send_request(request);
        Box::pin(async move { response.await.map_err(unavailable) })
    }
}

/// Maps a failure of the connection to UNAVAILABLE, as gRPC's own clients do. The source of the status distinguishes it from an
/// answer of the collector.
fn unavailable(error: hyper::Error) -> Status {
    let mut status = Status::unavailable(format!("connection: {error}"));
    status.set_source(Arc::new(error));
    status
}

#[cfg(test)]
mod tests;
