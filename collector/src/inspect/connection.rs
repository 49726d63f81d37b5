//! Connections to the admin listener, plain or over TLS.

use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rollcall_tls::{Side, explain};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::Error;

/// The longest time to connect, and the longest time for the TLS handshake after it.
const CONNECT: Duration = Duration::from_secs(5);

/// Opens connections, over TLS if it has TLS settings.
#[derive(Clone, Debug)]
pub(super) struct Connector(Option<Arc<ClientConfig>>);

/// A stream of bytes in both directions, plain or over TLS.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection.
pub(super) struct Stream(Box<dyn Io>);

impl Connector {
    /// Connects over TLS if there is a file of authorities (PEM), and otherwise without TLS. `identity` has the files of the
    /// client's own certificate and its private key.
    pub(super) fn new(
        ca_file: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, Error> {
        let settings = ca_file.map(|ca_file| rollcall_tls::client(ca_file, identity));
        let settings = settings.transpose();
        let settings = settings.map_err(|error| Error::Usage(error.to_string()))?;
        Ok(Self(settings))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let settings = self.0.clone();
        Box::pin(async move {
            let stream = connect(settings, &server).await?;
            Ok(TokioIo::new(stream))
        })
    }
}

async fn connect(settings: Option<Arc<ClientConfig>>, server: &Uri) -> io::Result<Stream> {
    let late = |_elapsed| {
        let text = format!("the connection or its TLS handshake took longer than {CONNECT:?}");
        io::Error::new(io::ErrorKind::TimedOut, text)
    };
    let host = server.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let default = if settings.is_some() { 443 } else { 80 };
    let port = server.port_u16().unwrap_or(default);
    let socket = TcpStream::connect((host, port));
    let socket = timeout(CONNECT, socket).await.map_err(late)??;
    socket.set_nodelay(true)?;
    let Some(settings) = settings else {
        return Ok(Stream(Box::new(socket)));
    };
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let connected = TlsConnector::from(settings).connect(name, socket);
    let connected = timeout(CONNECT, connected).await.map_err(late)?;
    let connected =
        connected.map_err(|error| io::Error::new(error.kind(), explain(&error, Side::Queried)))?;
    Ok(Stream(Box::new(connected)))
}

// === impl Stream ===

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").finish_non_exhaustive()
    }
}
