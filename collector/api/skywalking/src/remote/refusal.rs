//! Why TLS with another collector failed. With TLS 1.3 a server checks its client's certificate after the handshake has ended for
//! the client, so a refusal arrives with the client's first read.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use parking_lot::Mutex;
use rollcall_tls::{Side, explain_tls};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// The reason of the last failure, until it is taken. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal(Arc<Mutex<Option<String>>>);

/// A connection that keeps the reason when TLS fails on it.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TlsStream<TcpStream>,
    refusal: Refusal,
}

impl Refusal {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().take()
    }

    /// Keeps the reason if the error is an error of TLS.
    pub(super) fn keep(&self, error: &io::Error) {
        if let Some(reason) = explain_tls(error, Side::Server) {
            *self.0.lock() = Some(reason);
        }
    }

    pub(super) fn watch(self, stream: TlsStream<TcpStream>) -> Watched {
        Watched {
            stream,
            refusal: self,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        Poll::Ready(read.inspect_err(|error| self.refusal.keep(error)))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
