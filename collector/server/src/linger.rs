//! Keeps reading from a connection after the collector has ended its own direction of it.
//!
//! The system resets a connection that is closed with unread input, and a peer that is still sending loses the answer with the
//! reset. So the collector discards the peer's bytes until the peer closes. A peer that is silent for [`SILENCE`], or has not
//! closed after [`LONGEST`] or [`MOST`] bytes, is cut off.
//!
//! These limits have no configuration keys. A lingering connection keeps its place among the connections of its listener, whose
//! number has a key, and takes no more memory than an open one, so smaller limits would protect nothing more. A gauge counts such
//! connections.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::Stats;
use super::stats::Lingering;

/// The longest time in which the peer neither sends nor closes.
pub(super) const SILENCE: Duration = Duration::from_secs(2);
/// The longest time until the peer closes.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// The most bytes that are discarded.
const MOST: usize = 8 << 20;

/// The bytes that one read discards.
const BLOCK: usize = 4 << 10;

/// The limits of one connection that the collector has ended.
#[derive(Debug)]
pub(super) struct Linger {
    /// Ends when the peer has been silent for [`SILENCE`].
    silence: Pin<Box<Sleep>>,
    end: Instant,
    left: usize,
    _counted: Lingering,
}

/// How a lingering connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LingerEnd {
    /// The peer closed the connection.
    Closed,
    /// The peer reached a limit.
    CutOff,
}

impl Linger {
    pub(super) fn new(stats: &Arc<Stats>) -> Self {
        Self {
            _counted: Lingering::new(stats),
            silence: Box::pin(sleep(SILENCE)),
            end: Instant::now() + LONGEST,
            left: MOST,
        }
    }

    /// Discards what `stream` has received. Ready when the peer has closed or reached a limit.
    pub(super) fn poll<S>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<LingerEnd>
    where
        S: AsyncRead + Unpin,
    {
        let left = self.left;
        while let Poll::Ready(discarded) = poll_discard(stream, context) {
            match discarded {
                Ok(0) | Err(_) => return Poll::Ready(LingerEnd::Closed),
                Ok(bytes) => self.left = self.left.saturating_sub(bytes),
            }
            if self.left == 0 {
                return Poll::Ready(LingerEnd::CutOff);
            }
        }
        if self.left < left {
            let next = Instant::now() + SILENCE;
            self.silence.as_mut().reset(next.min(self.end));
        }
        self.silence
            .as_mut()
            .poll(context)
            .map(|()| LingerEnd::CutOff)
    }

    /// Whether the peer has sent anything since the collector ended its direction.
    pub(super) const fn has_received(&self) -> bool {
        self.left < MOST
    }

    /// Discards until the peer has closed or reached a limit.
    pub(super) async fn end<S: AsyncRead + Unpin>(mut self, mut stream: S) -> LingerEnd {
        poll_fn(|context| self.poll(&mut stream, context)).await
    }
}

/// Discards a block of input; 0 bytes at its end.
///
/// # Errors
/// The connection failed.
pub(super) fn poll_discard<S>(stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<usize>>
where
    S: AsyncRead + Unpin,
{
    let mut block = [MaybeUninit::uninit(); BLOCK];
    let mut buffer = ReadBuf::uninit(&mut block);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
