//! Connections to naming servers and collectors, over TLS where the settings require it.
//!
//! TLS needs the feature `tls`. Without the feature, [`check`] reports settings that require TLS as mistakes, and no TLS code is
//! compiled.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{dial::dial, peer::Peer};

#[cfg(feature = "tls")]
mod handshake;

/// The protocol above TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Above {
    /// Naming: HTTP/1.1.
    Http1,
    /// Collectors: HTTP/2.
    Http2,
}

/// The settings of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The authorities that sign the certificates of collectors, in PEM format.
    pub(crate) trusted_ca: PathBuf,
    /// The certificate of this process and its key, in PEM format, for collectors that require one.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    /// The name that the certificates of collectors must have; `None` for the host that the agent connects to.
    pub(crate) server_name: Option<String>,
}

/// The reason why these settings cannot be used; `None` if they can.
pub(crate) fn check(tls: &Tls) -> Option<String> {
    #[cfg(feature = "tls")]
    return handshake::settings(tls, Above::Http2).err();
    #[cfg(not(feature = "tls"))]
    {
        let path = tls.trusted_ca.display();
        Some(format!(
            "requires TLS ({path}), which needs the feature `tls` of rollcall-agent"
        ))
    }
}

/// The reason why no certificate can match this name; `None` for a valid name.
pub(crate) fn check_name(name: &str) -> Option<String> {
    #[cfg(feature = "tls")]
    return handshake::name_of(name)
        .err()
        .map(|error| error.to_string());
    #[cfg(not(feature = "tls"))]
    {
        let _ = name;
        None // `check` reports that there is no TLS.
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Connects to `peer`, with TLS if it is configured. The addresses of the host share the time `limit`, after which the caller gives
/// up. The files are read for each connection, so a renewed certificate is used without a restart of the process.
pub(crate) async fn connect(
    peer: &Peer,
    tls: Option<&Tls>,
    above: Above,
    limit: Duration,
) -> io::Result<Stream> {
    let stream = dial(peer, limit).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(Stream::Plain(stream));
    };
    #[cfg(feature = "tls")]
    {
        let connecting = handshake::shake(stream, peer, tls, above);
        return Ok(Stream::Tls(Box::new(Box::pin(connecting).await?)));
    }
    #[cfg(not(feature = "tls"))]
    Err(io::Error::other(format!("no TLS for {tls:?} {above:?}")))
}

/// Calls the same method of the plain socket or of the TLS stream.
macro_rules! either {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match &mut *$stream {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true // Both kinds of stream are vectored.
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(context))
    }
}
