//! Connections for the benches' own clients.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpSocket, TcpStream};
use tonic::body::Body;
use tower::Service;

/// Connects from `source`, an address of this machine, or from the address that the system chooses.
///
/// # Panics
/// When the connection fails.
pub async fn tcp(source: Option<IpAddr>, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(source) = source {
        socket.bind((source, 0).into()).expect("a free port");
    }
    let stream = socket.connect(server).await.expect("a connection");
    stream.set_nodelay(true).expect("a connected socket");
    stream
}

/// An HTTP/2 connection of hyper. It replaces tonic's channel, which adds a queue and a task that the load does not need.
#[derive(Clone, Debug)]
pub(super) struct Connection(http2::SendRequest<Body>);

impl Connection {
    pub(super) async fn open(source: Option<IpAddr>, server: SocketAddr) -> Self {
        let stream = tcp(source, server).await;
        let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("an HTTP/2 handshake");
        tokio::spawn(connection);
        Self(send)
    }
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
