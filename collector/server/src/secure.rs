//! TLS of a listener: which connections it serves, and the handshake.
//!
//! The first byte of a connection shows whether it begins with TLS. A listener may serve both kinds, or TLS only, or only peers
//! with a certificate. A connection of the other kind gets an answer in its own protocol that names the reason, and is closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rollcall_limits::{Budget, Peer};
use rollcall_tls::{Certificates, Clients, Side, explain};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::handshakes::Handshakes;
use super::linger::Linger;
use super::protocol::{self, Detected, Protocol, TLS};
use super::stream::{Counted, Rewound, Stream, Tls};
use super::{Closed, Stats};

/// The memory of TLS on a connection, in bytes: its state (measured: 8 KiB when idle, 19 KiB in an incomplete handshake), the
/// buffer of unwritten records, and a partly received record. A certificate of 64 KiB, the longest that a handshake allows, is
/// held during the handshake only, and handshakes have a limit of their own.
pub(super) const TLS_COST: usize = (8 << 10) + UNWRITTEN + (16 << 10);

/// The most bytes that TLS buffers while the socket accepts none.
const UNWRITTEN: usize = 16 << 10;

/// The longest time for sending a refused peer the reason.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// A fatal alert `handshake_failure` (RFC 8446 section 6), for a TLS client of a plain listener.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 40];
/// An empty SETTINGS frame, and the head of a GOAWAY frame with the code INADEQUATE_SECURITY (RFC 9113 section 6.8).
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: [u8; 6] = [7, 0, 0, 0, 0, 0];
const INADEQUATE_SECURITY: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 12];

/// The answer to a client without TLS at a listener that serves TLS only.
const TLS_ONLY: &str = "this port serves TLS only: use https, or a gRPC channel with TLS";

/// The TLS of one listener.
#[derive(Clone, Debug)]
pub struct Security {
    /// The certificate of the collector.
    pub certificates: Certificates,
    /// The connections that are served.
    pub serves: Serves,
    /// The places for handshakes, shared with the other listeners.
    pub handshakes: Handshakes,
}

/// The connections that a listener with a certificate serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Plain connections and TLS.
    PlainAndTls,
    /// TLS only.
    TlsOnly,
    /// TLS with a certificate of the peer only.
    CertifiedOnly,
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection failed, or the peer closed it or sent nothing in time.
    Lost(io::Error),
    /// The collector refuses the connection.
    Refused(Closed, String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// Completes the TLS handshake of a connection, if it begins with one, and detects its protocol, until `deadline`.
///
/// # Errors
/// The connection was lost, or the listener does not serve it.
pub(super) async fn open(
    socket: TcpStream,
    security: Option<&Security>,
    peer: Peer,
    (budget, stats): (&Budget, &Arc<Stats>),
    deadline: Instant,
) -> Result<(Protocol, Rewound<Stream>), Failure> {
    let stream = match security {
        None => Stream::Plain(socket),
        Some(security) => {
            if peek(&socket, deadline).await? == TLS {
                // Boxed, so that the future of plain connections stays small.
                let handshake = Box::pin(shake(socket, security, peer, (budget, stats), deadline));
                Stream::Tls(Box::new(handshake.await?))
            } else if security.serves == Serves::PlainAndTls {
                Stream::Plain(socket)
            } else {
                return Err(refuse_plain(socket, stats, deadline).await?);
            }
        }
    };
    match timeout_at(deadline, protocol::detect(stream)).await {
        Ok(Ok(Detected::Http(protocol, stream))) => Ok((protocol, stream)),
        Ok(Ok(Detected::Tls(stream))) => {
            part(stream, &ALERT, stats).await;
            let reason = "a client began TLS on a port without TLS, or within TLS".to_owned();
            Err(Failure::Refused(Closed::TlsRefused, reason))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_elapsed) => Err(silent().into()),
    }
}

/// Reads the first byte of a connection without consuming it.
async fn peek(socket: &TcpStream, deadline: Instant) -> io::Result<u8> {
    let mut first = [0];
    match timeout_at(deadline, socket.peek(&mut first)).await {
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(_)) => Ok(first[0]),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(silent()),
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "nothing was received in time")
}

async fn shake(
    socket: TcpStream,
    security: &Security,
    peer: Peer,
    (budget, stats): (&Budget, &Arc<Stats>),
    deadline: Instant,
) -> Result<Tls, Failure> {
    let full = |_over| {
        let reason = "no memory for another TLS connection (server.default.connection_memory)";
        Failure::Refused(Closed::OverBudget, reason.to_owned())
    };
    let charge = budget.try_charge(TLS_COST).map_err(full)?;
    let clients = match security.serves {
        Serves::CertifiedOnly => Clients::Certified,
        Serves::PlainAndTls | Serves::TlsOnly => Clients::Any,
    };
    let Some(settings) = security.certificates.server(clients) else {
        let reason = "the listener requires client certificates and trusts no authority".to_owned();
        return Err(Failure::Refused(Closed::TlsFailed, reason));
    };
    let place = security.handshakes.enter(peer);
    let socket = Counted { socket, written: 0 };
    let accepting = TlsAcceptor::from(settings)
        .accept_with(socket, |tls| tls.set_buffer_limit(Some(UNWRITTEN)))
        .into_fallible();
    let accepted = tokio::select! {
        biased;
        accepted = timeout_at(deadline, accepting) => accepted,
        () = place.replaced.cancelled() => {
            let reason = "too many TLS handshakes were under way (tls.default.max_handshakes), and this was the oldest";
            return Err(Failure::Refused(Closed::TlsDisplaced, reason.to_owned()));
        }
    };
    drop(place);
    match accepted {
        Ok(Ok(stream)) => Ok(Tls {
            stream,
            _charge: charge,
        }),
        Ok(Err((error, socket))) => {
            part(socket.socket, &[], stats).await;
            let reason = explain(&error, Side::Client);
            Err(Failure::Refused(Closed::TlsFailed, reason))
        }
        Err(_elapsed) => {
            let reason =
                "a TLS handshake was not complete in time (server.default.handshake_timeout)";
            Err(Failure::Refused(Closed::TlsStalled, reason.to_owned()))
        }
    }
}

/// Answers a client without TLS in its own protocol.
async fn refuse_plain(
    socket: TcpStream,
    stats: &Arc<Stats>,
    deadline: Instant,
) -> io::Result<Failure> {
    let shown = timeout_at(deadline, protocol::detect(Stream::Plain(socket))).await;
    let (protocol, stream) = match shown.map_err(|_elapsed| silent())?? {
        Detected::Http(protocol, stream) => (protocol, stream.into_inner()),
        Detected::Tls(stream) => (Protocol::Http1, stream),
    };
    let answer = match protocol {
        Protocol::Http1 => bad_request(),
        Protocol::Http2 => go_away(),
    };
    part(stream, &answer, stats).await;
    let reason = "a client without TLS on a port that serves TLS only".to_owned();
    Ok(Failure::Refused(Closed::PlainRefused, reason))
}

fn bad_request() -> Vec<u8> {
    let body = format!(r#"{{"error":{{"field":null,"message":"{TLS_ONLY}"}}}}"#);
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json;charset=utf-8\r\nerror-message: {TLS_ONLY}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

fn go_away() -> Vec<u8> {
    let length = INADEQUATE_SECURITY.len() + TLS_ONLY.len();
    let length = u8::try_from(length).unwrap_or(u8::MAX);
    let parts: [&[u8]; 5] = [
        &SETTINGS,
        &[0, 0, length],
        &GOAWAY,
        &INADEQUATE_SECURITY,
        TLS_ONLY.as_bytes(),
    ];
    parts.concat()
}

/// Sends `last` and the end of the stream, and discards the bytes that the peer still sends.
async fn part(mut stream: impl AsyncRead + AsyncWrite + Unpin, last: &[u8], stats: &Arc<Stats>) {
    let parting = async {
        stream.write_all(last).await?;
        stream.shutdown().await
    };
    let parted = timeout(PARTING_TIME, parting).await;
    match parted.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into())) {
        Ok(()) => drop(Linger::new(stats).end(stream).await),
        Err(error) => tracing::debug!(%error, "a refused peer did not read the reason"),
    }
}
