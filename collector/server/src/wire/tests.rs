use std::future::poll_fn;

use futures_util::FutureExt as _;

use super::*;
use crate::{Serving, protocol::Protocol};

/// TLS above a socket that accepts nothing.
#[derive(Debug)]
struct Full;

impl Transport for Full {
    fn sent(&self) -> Option<usize> {
        Some(0)
    }
}

impl AsyncRead for Full {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Full {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Otherwise a peer that reads nothing would keep the connection for ever.
#[test]
fn the_last_record_of_tls_that_the_socket_does_not_accept_counts_as_unread() {
    let serving = Arc::new(Serving::generous());
    let charge = serving.budgets.connections.nothing();
    let traffic = Traffic::new(serving, Arc::default(), Protocol::Http1, charge);
    let mut wire = Wire::new(Full, &traffic, None);
    let ended = poll_fn(|context| Pin::new(&mut wire).poll_shutdown(context));
    assert!(ended.now_or_never().is_none());
    assert!(traffic.is_blocked());
}
