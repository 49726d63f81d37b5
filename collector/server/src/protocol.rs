//! Detects HTTP/1 or HTTP/2 from the first bytes, and configures both.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::calls::Begun;
use super::ping::Pings;
use super::stream::Rewound;
use super::{Serving, Stats};

/// The preface of an HTTP/2 client (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first byte of a TLS record with a handshake message.
pub(super) const TLS: u8 = 0x16;

/// The bytes that one request and one connection may send before they are read.
pub(super) const STREAM_WINDOW: usize = 256 << 10;
pub(super) const CONNECTION_WINDOW: usize = 1 << 20;

/// The most calls that h2 holds although their client has cancelled them before they began. It is more than the calls whose frames
/// one turn of the connection reads, so that this limit closes no connection: while the collector cannot read, for example because
/// it is paused, a client cancels all its calls at each deadline. `frames.rs` limits the resets of a peer.
const MOST_CANCELLED: usize = 4096;

/// The smallest size that hyper accepts.
const MIN_HEADER_SIZE: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// The protocol that the first bytes of a connection show.
#[derive(Debug)]
pub(super) enum Detected<S> {
    /// HTTP of this version. The stream yields the first bytes again.
    Http(Protocol, Rewound<S>),
    /// TLS, on a connection where it is not served.
    Tls(S),
}

/// Reads until the protocol is certain: at most the 24 bytes of the preface.
///
/// # Errors
/// The connection failed or ended before that.
pub(super) async fn detect<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Detected<S>> {
    let mut first = Vec::with_capacity(PREFACE.len());
    let protocol = loop {
        let missing = PREFACE.len() - first.len();
        if (&mut stream)
            .take(missing as u64)
            .read_buf(&mut first)
            .await?
            == 0
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first.first() == Some(&TLS) {
            return Ok(Detected::Tls(stream));
        }
        if !PREFACE.starts_with(&first) {
            break Protocol::Http1;
        }
        if first.len() == PREFACE.len() {
            break Protocol::Http2;
        }
    };
    Ok(Detected::Http(protocol, Rewound::new(first, stream)))
}

/// The longest time for the header on a brief connection.
const BRIEF_HEADER: Duration = Duration::from_secs(2);

/// The settings of both protocols on one listener.
#[derive(Debug)]
pub(super) struct Protocols {
    header_timeout: Duration,
    max_header_size: usize,
    max_streams: usize,
    has_large_answers: bool,
    ping_interval: Duration,
    ping_timeout: Duration,
    pings: Pings,
}

impl Protocols {
    /// The settings of this listener. Pings are counted in `stats`.
    pub(super) fn new(serving: &Serving, stats: &Arc<Stats>) -> Self {
        let limits = &serving.limits;
        Self {
            header_timeout: limits.header_timeout,
            max_header_size: limits.max_header_size.max(MIN_HEADER_SIZE),
            max_streams: limits.max_streams_per_connection,
            has_large_answers: serving.has_large_answers,
            ping_interval: limits.ping_interval,
            ping_timeout: limits.ping_timeout,
            pings: Pings::new(limits.ping_timeout, stats),
        }
    }

    /// The timers of the pings.
    pub(super) fn pings(&self) -> &Pings {
        &self.pings
    }

    /// The builder for a standing connection, whose HTTP/2 calls begin on `calls`.
    pub(super) fn builder(&self, protocol: Protocol, calls: Begun) -> auto::Builder<Begun> {
        let builder = auto::Builder::new(calls);
        match protocol {
            Protocol::Http1 => self.http1(builder),
            Protocol::Http2 => self.http2(builder),
        }
    }

    /// The builder for one HTTP/1 request, after which the connection closes.
    pub(super) fn brief(&self, calls: Begun) -> auto::Builder<Begun> {
        let mut brief = self.http1(auto::Builder::new(calls));
        brief.http1().keep_alive(false);
        brief
    }

    /// The longest time for the head of an HTTP/1 request.
    pub(super) fn header_timeout(&self, is_brief: bool) -> Duration {
        if is_brief {
            self.header_timeout.min(BRIEF_HEADER)
        } else {
            self.header_timeout
        }
    }

    fn http1(&self, builder: auto::Builder<Begun>) -> auto::Builder<Begun> {
        let mut http1 = builder.http1_only();
        http1
            .http1()
            // A peer that ends its direction has abandoned its requests. So a long poll or an event feed ends as soon as its reader
            // leaves, not only when the next bytes are written.
            .half_close(false)
            .writev(self.has_large_answers)
            .max_buf_size(self.max_header_size);
        http1
    }

    fn http2(&self, builder: auto::Builder<Begun>) -> auto::Builder<Begun> {
        let mut http2 = builder.http2_only();
        http2
            .http2()
            .timer(self.pings.clone())
            .max_concurrent_streams(at_most_u32(self.max_streams))
            .max_pending_accept_reset_streams(MOST_CANCELLED)
            .max_header_list_size(at_most_u32(self.max_header_size))
            .initial_stream_window_size(at_most_u32(STREAM_WINDOW))
            .initial_connection_window_size(at_most_u32(CONNECTION_WINDOW))
            .keep_alive_interval(self.ping_interval)
            .keep_alive_timeout(self.ping_timeout);
        http2
    }
}

fn at_most_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
