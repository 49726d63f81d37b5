//! One probe.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use rollcall_domain::catalog::Checker;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The time limit of a probe.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);
/// The most characters of a path in a description.
const PATH: usize = 100;
/// The bytes of an answer that are read: a status line, a handshake.
const ANSWER: usize = 512;

/// The outcome of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The instance answered correctly, after this long.
    Success(Duration),
    /// No answer, or a wrong one, that a busy instance may give too.
    Soft,
    /// A clear failure: the instance does not exist, or another program answers at its address.
    Hard,
}

impl Outcome {
    pub(super) fn after(self, took: Duration) -> Self {
        match self {
            Self::Success(_) => Self::Success(took),
            other => other,
        }
    }
}

/// An outcome, and what was found; nothing of an answer is shown.
type Found = (Outcome, &'static str);

const SUCCESS: Found = (Outcome::Success(Duration::ZERO), "it answered");

/// Probes an address, for at most [`TIMEOUT`].
pub(super) async fn attempt(checker: &Checker, ip: IpAddr, port: u16) -> Found {
    let address = SocketAddr::new(ip, port);
    match timeout(TIMEOUT, connected(checker, address)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            (Outcome::Hard, "the connection was refused")
        }
        Ok(Err(_)) => (Outcome::Soft, "the connection failed"),
        Err(_late) => (Outcome::Soft, "no connection or no answer within 500 ms"),
    }
}

/// What a probe tries, in words. It has at most [`PATH`] characters of the path, and no header.
pub(super) fn description(checker: &Checker, ip: IpAddr, port: u16) -> String {
    let address = SocketAddr::new(ip, port);
    match checker {
        Checker::Tcp | Checker::None => format!("TCP connection to {address}"),
        Checker::Http { path, expected, .. } => {
            let path: String = path.chars().take(PATH).collect();
            format!("HTTP GET {path} at {address}, expected status {expected}")
        }
        Checker::Mysql { .. } => format!("MySQL greeting of {address}"),
    }
}

async fn connected(checker: &Checker, address: SocketAddr) -> io::Result<Found> {
    let stream = TcpStream::connect(address).await?;
    match checker {
        Checker::Tcp | Checker::None => Ok(SUCCESS),
        Checker::Http {
            path,
            headers,
            expected,
        } => {
            let request = request(address, path, headers);
            http(stream, &request, *expected).await
        }
        Checker::Mysql { .. } => mysql(stream).await,
    }
}

/// The text of a request. Leaves out a path or a header with control characters, because they could begin another request.
fn request(address: SocketAddr, path: &str, headers: &str) -> String {
    let is_clean = |text: &str| !text.chars().any(|c| c.is_control());
    let path = if is_clean(path) && !path.contains(' ') {
        path
    } else {
        "/"
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut request = format!(
        "GET {slash}{path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Rollcall-Probe\r\nConnection: close\r\n"
    );
    for header in headers.split('|').filter(|header| is_clean(header)) {
        if let Some((name, value)) = header.split_once(':') {
            request.push_str(&format!("{}: {}\r\n", name.trim(), value.trim()));
        }
    }
    request.push_str("\r\n");
    request
}

async fn http(mut stream: TcpStream, request: &str, expected: u16) -> io::Result<Found> {
    stream.write_all(request.as_bytes()).await?;
    let answer = read(&mut stream, |answer| answer.contains(&b'\n')).await?;
    let line = String::from_utf8_lossy(&answer);
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let status: Option<u16> = words.next().and_then(|word| word.trim().parse().ok());
    Ok(match status {
        Some(status) if is_http && status == expected => SUCCESS,
        Some(302 | 503) if is_http => (Outcome::Soft, "it answered that it is busy (302 or 503)"),
        Some(_) if is_http => (Outcome::Hard, "it answered with another status"),
        _ => (Outcome::Hard, "its answer is not HTTP"),
    })
}

/// Reads the greeting of a MySQL server: a packet with its protocol version, 10 since 1998, or an error. The probe does not
/// sign in.
async fn mysql(mut stream: TcpStream) -> io::Result<Found> {
    let greeting = read(&mut stream, |answer| answer.len() > 4).await?;
    Ok(match greeting.get(3..5) {
        Some([0, 10]) => SUCCESS,
        // Too many connections: the server is up, but busy.
        Some([0, 255]) => (Outcome::Soft, "it refused the connection as one too many"),
        _ => (Outcome::Hard, "its answer is not MySQL's"),
    })
}

/// Reads until `is_enough`, the other end closes, or the buffer is full.
async fn read(stream: &mut TcpStream, is_enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut answer = [0; ANSWER];
    let mut length = 0;
    while let Some(rest) = answer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        let count = stream.read(rest).await?;
        length += count;
        if count == 0 || is_enough(answer.get(..length).unwrap_or_default()) {
            break;
        }
    }
    Ok(answer.get(..length).unwrap_or_default().to_vec())
}
