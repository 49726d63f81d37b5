//! One HTTP/2 connection as something that tonic's clients can call.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{
    HeaderValue, Request, Response,
    header::{HeaderName, USER_AGENT},
};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::timeout};
use tonic::{Status, body::Body};

use crate::{config::Authentication, naming::AGENT_NAME, peer::Peer};

/// Upstream's metadata key for the token (protocol section 4.8).
const AUTHENTICATION: HeaderName = HeaderName::from_static("authentication");

/// Why there is no connection.
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

/// Connects. The future that comes with the transport carries the connection and has to be polled along; it ends when
/// the connection does.
pub(crate) async fn connect(
    collector: &Peer,
    authentication: Option<&Authentication>,
    limit: Duration,
) -> Result<(Transport, impl Future<Output = Result<(), hyper::Error>>), ConnectError> {
    let connecting = async {
        let stream = TcpStream::connect((collector.host(), collector.port())).await?;
        stream.set_nodelay(true)?;
        let builder = http2::Builder::new(TokioExecutor::new());
        Ok::<_, ConnectError>(builder.handshake(TokioIo::new(stream)).await?)
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

impl tower_service::Service<Request<Body>> for Transport {
    type Response = Response<Incoming>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.sender
            .poll_ready(context)
            .map_err(|error| unavailable(&error))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT_NAME));
        if let Some(token) = &self.authentication {
            headers.insert(AUTHENTICATION, token.clone());
        }
        let response = self.sender.send_request(request);
        Box::pin(async move { response.await.map_err(|error| unavailable(&error)) })
    }
}

/// What goes wrong below gRPC is UNAVAILABLE, as gRPC's own clients have it.
fn unavailable(error: &hyper::Error) -> Status {
    Status::unavailable(format!("connection: {error}"))
}
