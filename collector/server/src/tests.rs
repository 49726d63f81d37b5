mod crowds;
mod drain;
mod floods;
mod linger;
mod secure;
mod shares;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request as Arrived, State};
use axum::routing::{get, post};
use http::{Request, Version};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rollcall_limits::Budget;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::protocol::Protocol;
use super::traffic::Traffic;
use super::{CutOff, Full, Limits, Serving, Stats, bind};

/// Long enough for any expected event on a machine that is busy with other tests.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// A limit that a test waits for.
pub(super) const SHORT: Duration = Duration::from_millis(200);

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) stats: Arc<Stats>,
    /// `/slow` sends one answer for every permit.
    pub(super) permits: Arc<Semaphore>,
    /// One permit for every request that has reached `/slow`.
    reached: Arc<Semaphore>,
    cancel: CancellationToken,
    served: JoinHandle<Result<(), CutOff>>,
}

async fn slow(State((permits, reached)): State<(Arc<Semaphore>, Arc<Semaphore>)>) -> &'static str {
    reached.add_permits(1);
    permits.acquire().await.unwrap().forget();
    "at last"
}

/// Answers without reading the body, and holds the body until then.
async fn unread(
    State((permits, _)): State<(Arc<Semaphore>, Arc<Semaphore>)>,
    body: Arrived,
) -> &'static str {
    permits.acquire().await.unwrap().forget();
    drop(body);
    "unread"
}

async fn start(limits: Limits, grace: Duration) -> Running {
    serve(Serving {
        limits,
        grace,
        ..Serving::generous()
    })
    .await
}

pub(super) async fn serve(serving: Serving) -> Running {
    serve_with(Router::new(), serving).await
}

/// Serves further routes, too.
pub(super) async fn serve_with(routes: Router, serving: Serving) -> Running {
    let (permits, reached) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let router: Router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/slow", get(slow))
        .route("/unread", post(unread))
        .route("/refused", post(linger::refuse))
        .route("/read", post(|_body: Bytes| async { "read" }))
        .with_state((permits.clone(), reached.clone()))
        .merge(routes);
    let service = TowerToHyperService::new(router);
    let bound = bind("127.0.0.1", 0).await.unwrap().listen().unwrap();
    let (address, stats, cancel) = (bound.address(), bound.stats(), CancellationToken::new());
    let stop = cancel.clone();
    let served = tokio::task::spawn_local(async move { bound.serve(service, serving, stop).await });
    Running {
        address,
        stats,
        permits,
        reached,
        cancel,
        served,
    }
}

impl Running {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Requests `/` on a new connection, and checks its answer.
    pub(super) async fn assert_serves(&self) {
        let mut stream = self
            .send(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        let answer = everything(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("here"),
            "{answer}"
        );
    }

    pub(super) async fn wait_for_slow(&self) {
        tokio::time::timeout(PATIENCE, self.reached.acquire())
            .await
            .unwrap()
            .unwrap()
            .forget();
    }

    pub(super) async fn wait_for_open(&self, open: usize) {
        wait_until(|| self.stats.open() == open).await;
    }
}

/// Waits until a condition holds.
pub(super) async fn wait_until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

/// The settings of a server with this budget for connections, in bytes.
pub(super) fn with_connection_budget(bytes: usize) -> Serving {
    let mut serving = Serving::generous();
    serving.budgets.connections = Budget::new("connections", bytes);
    serving
}

/// The counters of a connection to a server with these settings. The connection itself is not charged.
pub(super) fn traffic_of(serving: Serving, protocol: Protocol) -> Arc<Traffic> {
    let charge = serving.budgets.connections.nothing();
    Traffic::new(
        serving.budgets.clone(),
        Arc::new(serving),
        Arc::default(),
        protocol,
        charge,
    )
}

/// Reads until the server closes; a reset counts as a close.
pub(super) async fn everything(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let result = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes");
    if let Err(error) = result {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) async fn http2(
    address: SocketAddr,
) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::task::spawn_local(connection);
    sender
}

pub(super) fn request(address: SocketAddr, path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}{path}"))
        .body(Empty::new())
        .unwrap()
}

/// Runs a test that may spawn tasks on its own thread.
pub(super) async fn local(test: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn both_protocols_share_a_listener() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        server.assert_serves().await;
        let answer = http2(server.address)
            .await
            .send_request(request(server.address, "/"))
            .await
            .unwrap();
        assert_eq!(
            (answer.version(), answer.status().as_u16()),
            (Version::HTTP_2, 200)
        );
    })
    .await;
}

#[tokio::test]
async fn a_first_line_in_pieces_is_understood() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut stream = server.connect().await;
        for piece in [
            "P",
            "R",
            "OPFIND / HTTP/1.1\r\nhost: x\r\nconnec",
            "tion: close\r\n\r\n",
        ] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(everything(&mut stream).await.starts_with("HTTP/1.1 405"));
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_shows_no_protocol_is_closed() {
    local(async {
        let limits = Limits {
            handshake_timeout: SHORT,
            ..Limits::generous()
        };
        let server = start(limits, PATIENCE).await;
        for silent in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
            assert_eq!(everything(&mut server.send(silent).await).await, "");
        }
        server.assert_serves().await;
        server.wait_for_open(0).await;
    })
    .await;
}

#[tokio::test]
async fn a_header_that_never_ends_times_out() {
    local(async {
        let limits = Limits {
            header_timeout: SHORT,
            ..Limits::generous()
        };
        let server = start(limits, PATIENCE).await;
        let (mut read, mut write) = server.send(b"GET / HTTP/1.1\r\n").await.into_split();
        let drip = async {
            while write.write_all(b"x: y\r\n").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        let mut bytes = Vec::new();
        let closed = async {
            tokio::time::timeout(PATIENCE, read.read_to_end(&mut bytes))
                .await
                .unwrap()
                .is_ok()
        };
        tokio::select! {
            () = drip => {}
            _ = closed => {}
        }
        server.wait_for_open(0).await;
        server.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_between_requests() {
    local(async {
        let limits = Limits {
            header_timeout: SHORT,
            ..Limits::generous()
        };
        let server = start(limits, PATIENCE).await;
        let mut stream = server.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(everything(&mut stream).await.ends_with("here"));
    })
    .await;
}

#[tokio::test]
async fn garbage_is_answered_or_closed_and_the_next_connection_is_served() {
    let mut truncated = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // The head of a HEADERS frame with a length of 16 MiB.
    let oversized = [0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1];
    truncated.extend(settings);
    truncated.extend(oversized);
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        for garbage in [
            &b"\x00\xff\x16\x03\x01 not http\r\n\r\n"[..],
            b"GET\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            &truncated,
        ] {
            let answer = everything(&mut server.send(garbage).await).await;
            assert!(!answer.contains("200 OK"), "{answer}");
            server.assert_serves().await;
        }
        drop(server.send(&truncated[..30]).await);
        server.assert_serves().await;
        server.wait_for_open(0).await;
    })
    .await;
}

#[tokio::test]
async fn a_header_without_end_is_refused() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let (mut read, mut write) = server
            .send(b"GET / HTTP/1.1\r\nhost: x\r\nx: ")
            .await
            .into_split();
        let flood = async {
            for _ in 0..64 {
                if write.write_all(&[b'x'; 1 << 20]).await.is_err() {
                    return;
                }
            }
            panic!("64 MiB of header were taken");
        };
        let mut answer = vec![0; 1024];
        let (_, length) = tokio::join!(flood, read.read(&mut answer));
        assert!(answer[..length.unwrap()].starts_with(b"HTTP/1.1 431"));
        server.assert_serves().await;
    })
    .await;
}
