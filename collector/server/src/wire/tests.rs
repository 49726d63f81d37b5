use super::*;
use crate::Serving;
use crate::protocol::Protocol;
use crate::tests::traffic_of;

/// Records the slices of each vectored write, and the bytes of each plain one.
#[derive(Debug, Default)]
struct Recording {
    plain: Vec<Vec<u8>>,
    vectored: Vec<usize>,
}

impl AsyncRead for Recording {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Recording {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.plain.push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.vectored.push(bytes.len());
        Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Recording {
    fn sent(&self) -> Option<usize> {
        None
    }
}

/// A transport above a socket that accepts nothing more, as TLS is when it cannot send the alert that ends it.
#[derive(Debug)]
struct Full;

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
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Transport for Full {
    fn sent(&self) -> Option<usize> {
        Some(0)
    }
}

fn traffic() -> Arc<Traffic> {
    traffic_of(Serving::generous(), Protocol::Http1)
}

#[test]
fn a_socket_without_room_for_the_end_of_tls_counts_as_blocked() {
    let traffic = traffic();
    let mut wire = Wire::new(Full, &traffic, None);
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(!traffic.is_blocked());
    let ended = Pin::new(&mut wire).poll_shutdown(&mut context);
    assert!(ended.is_pending());
    assert!(traffic.is_blocked(), "the write timeout runs");
}

#[test]
fn a_small_answer_is_written_from_one_buffer_and_a_large_one_is_not_copied() {
    let traffic = traffic();
    let mut wire = Wire::new(Recording::default(), &traffic, None);
    let mut context = Context::from_waker(std::task::Waker::noop());
    let large = [7; SMALL];
    let mut total = 0;
    for parts in [
        &[&b"head"[..], b"", b"body"][..],
        &[&large],
        &[&large[4..], b"four"],
        &[b"head", &large],
    ] {
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let written = Pin::new(&mut wire).poll_write_vectored(&mut context, &slices);
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        assert!(matches!(written, Poll::Ready(Ok(written)) if written == bytes));
        total += bytes;
    }
    assert_eq!(traffic.written(), total);
    let lengths: Vec<_> = wire.stream.plain.iter().map(Vec::len).collect();
    assert_eq!(lengths, [8, SMALL, SMALL]);
    assert_eq!(wire.stream.plain[0], b"headbody");
    assert_eq!(wire.stream.vectored, [2]);
}
