//! Connects to another collector, over TLS if this one uses TLS.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rollcall_tls::{Certificates, Side, explain};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::Service;

use super::refusal::{Refusal, Watched};

/// Opens TLS connections. The certificate of the other collector must be for the host that it publishes.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) certificates: Certificates,
    /// Why TLS failed last.
    pub(super) refusal: Refusal,
    /// The time for connecting, before TLS.
    pub(super) patience: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Watched>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, member: Uri) -> Self::Future {
        let Self {
            certificates,
            refusal,
            patience,
        } = self.clone();
        Box::pin(async move {
            let connected = connect(&certificates, &refusal, &member, patience).await;
            connected.map(|stream| TokioIo::new(refusal.watch(stream)))
        })
    }
}

async fn connect(
    certificates: &Certificates,
    refusal: &Refusal,
    member: &Uri,
    patience: Duration,
) -> io::Result<TlsStream<TcpStream>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let host = member.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let settings = certificates
        .client()
        .ok_or_else(|| invalid("tls.default.trusted_ca_path is empty"))?;
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    // Tries every address of the host, and shares the time among them.
    let mut addresses = HttpConnector::new();
    addresses.set_nodelay(true);
    addresses.set_connect_timeout(Some(patience));
    addresses.enforce_http(false);
    let socket = addresses.call(member.clone()).await;
    let socket = socket.map_err(io::Error::other)?.into_inner();
    let connector = TlsConnector::from(Arc::clone(&settings));
    let connected = connector.connect(name, socket).await;
    connected.map_err(|error| {
        refusal.keep(&error);
        io::Error::new(error.kind(), explain(&error, Side::Server))
    })
}

#[cfg(test)]
mod tests;
