//! The socket of a connection: records written bytes, and limits the bytes that one turn reads over HTTP/2.
//!
//! It discards the bytes that the peer still sends after the last answer (see [`linger`](super::linger)), and those that arrive
//! while the collector closes the connection of a peer that exceeded a limit. Such an HTTP/2 peer receives a GOAWAY with the error
//! code ENHANCE_YOUR_CALM, which hyper cannot send.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Closed;
use super::frames::{Abuse, Frames};
use super::linger::{Linger, LingerEnd, poll_discard};
use super::stream::Transport;
use super::traffic::Traffic;

#[cfg(test)]
mod tests;

/// The bytes that one turn of an HTTP/2 connection may read before other connections have their turns.
const TURN: usize = 64 << 10;

/// The most bytes that are discarded while the collector closes the connection of a peer that exceeded a limit.
const MAX_DISCARDED: usize = 1 << 20;

/// The largest vectored write that is done as a plain write: copying so few bytes into one buffer costs less.
const SMALL: usize = 1 << 10;

/// A socket that reports to the [`Traffic`] of its connection.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    traffic: Arc<Traffic>,
    /// Present on an HTTP/2 connection.
    frames: Option<Frames>,
    turn: usize,
    left: usize,
    discarded: usize,
    /// The bytes that the socket had accepted at the last check, if the transport counts them.
    sent: usize,
    /// The rest of the GOAWAY for a peer that exceeded a limit; present once that is due.
    goaway: Option<Bytes>,
    /// Present once the collector has ended its direction.
    linger: Option<Box<Linger>>,
}

impl<S: Transport> Wire<S> {
    pub(super) fn new(stream: S, traffic: &Arc<Traffic>, frames: Option<Frames>) -> Self {
        Self {
            stream,
            traffic: Arc::clone(traffic),
            frames,
            turn: 0,
            left: TURN,
            discarded: 0,
            sent: 0,
            goaway: None,
            linger: None,
        }
    }

    /// Writes the rest of the GOAWAY.
    fn poll_goaway(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(rest) = self.goaway.as_mut().filter(|rest| !rest.is_empty()) else {
            return Poll::Ready(Ok(()));
        };
        while !rest.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => rest.advance(written),
            }
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn record_write(&mut self, written: &Poll<io::Result<usize>>) {
        if self.stream.sent().is_some() {
            return self.record_sent(false);
        }
        match written {
            Poll::Ready(Ok(bytes)) => self.traffic.write(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.traffic.block(),
        }
    }

    /// Records the bytes that the socket below TLS accepted. TLS accepts bytes even if the socket has no room, so its own results
    /// do not show whether the peer reads.
    fn record_sent(&mut self, is_all: bool) {
        let Some(sent) = self.stream.sent() else {
            return;
        };
        let bytes = sent.wrapping_sub(self.sent);
        self.sent = sent;
        if bytes > 0 || is_all {
            self.traffic.write(bytes);
        } else {
            self.traffic.block();
        }
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Discards input. Ready when the peer has ended its direction, and never after [`MAX_DISCARDED`] bytes.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.discarded < MAX_DISCARDED {
            match ready!(poll_discard(&mut self.stream, context))? {
                0 => return Poll::Ready(Ok(())),
                bytes => self.discarded += bytes,
            }
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.traffic.is_closing() {
            return this.poll_discard(context);
        }
        if this.traffic.is_flooded() || this.traffic.is_over_budget() {
            return Poll::Pending; // the connection is about to be closed
        }
        let turn = this.traffic.turn();
        if this.turn != turn {
            (this.turn, this.left) = (turn, TURN);
        } else if this.left == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let Some(frames) = &mut this.frames else {
            let read = buffer.filled().len() - before;
            this.traffic.begin_message(read); // also at the end of input, after which there is nothing to discard
            return Poll::Ready(Ok(()));
        };
        let read = buffer.filled().get(before..).unwrap_or_default();
        this.left = this.left.saturating_sub(read.len());
        if let Err(abuse) = frames.read(read, &this.traffic) {
            buffer.set_filled(before);
            match abuse {
                Abuse::Flood => this.traffic.flood(),
                Abuse::OverBudget => this.traffic.refuse_all(),
            }
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_goaway(context))?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.record_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_goaway(context))?;
        let mut room = [0; SMALL];
        let stream = Pin::new(&mut self.stream);
        let written = match joined(bytes, &mut room) {
            Some(joined) => stream.poll_write(context, joined),
            None => stream.poll_write_vectored(context, bytes),
        };
        self.record_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.record_sent(flushed.is_ready());
        ready!(flushed)?;
        // h2 flushes after whole frames only, so the GOAWAY begins here.
        if this.goaway.is_none()
            && let (Some(why), Some(frames)) = (this.traffic.exceeded(), &this.frames)
        {
            this.goaway = Some(frames.goaway(why.label()));
        }
        this.poll_goaway(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let linger = match &mut this.linger {
            Some(linger) => linger,
            None => {
                let ended = Pin::new(&mut this.stream).poll_shutdown(context);
                this.record_sent(ended.is_ready()); // the write timeout also limits the alert that ends TLS
                ready!(ended)?;
                this.traffic.end();
                this.linger
                    .insert(Box::new(Linger::new(&this.traffic.stats)))
            }
        };
        if this.traffic.is_closing() {
            return this.poll_discard(context);
        }
        if !this.traffic.lingers() {
            return Poll::Ready(Ok(()));
        }
        let parted = linger.poll(&mut this.stream, context);
        if linger.has_received() {
            this.traffic.arrive_late();
        }
        if ready!(parted) == LingerEnd::CutOff {
            this.traffic.stats.close(Closed::Unclosed);
        }
        Poll::Ready(Ok(()))
    }
}

/// The bytes of all slices one after the other, if they fit into `room`.
fn joined<'a>(slices: &'a [IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    if let [only] = slices {
        return Some(only);
    }
    let mut end = 0;
    for slice in slices {
        let next = end + slice.len();
        room.get_mut(end..next)?.copy_from_slice(slice);
        end = next;
    }
    room.get(..end)
}
