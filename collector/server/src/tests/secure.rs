//! TLS on real sockets: the connections that a listener serves, the refusal of the others, and the cost of a handshake.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use rollcall_limits::Budget;
use rollcall_tls::Certificates;
use rollcall_tls::testing::{Authority, Request as Certificate, Signed};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::{Budgets, Closed, Handshakes, Security, Serves};

pub(super) const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

pub(super) struct Secured {
    pub(super) server: Running,
    pub(super) authority: Authority,
    certificates: Certificates,
    directory: tempfile::TempDir,
    connections: Budget,
}

async fn secured(serves: Serves, limits: Limits, handshakes: usize) -> Secured {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    let files = authority.write(directory.path()).unwrap();
    let certificates = Certificates::load(files).unwrap();
    let generous = Serving::generous();
    let connections = generous.budgets.connections.clone();
    let server = serve(Serving {
        limits,
        security: Some(Security {
            certificates: certificates.clone(),
            serves,
            handshakes: Handshakes::new(handshakes),
        }),
        has_http: true,
        ..generous
    })
    .await;
    Secured {
        server,
        authority,
        certificates,
        directory,
        connections,
    }
}

pub(super) async fn generous(serves: Serves) -> Secured {
    secured(serves, Limits::generous(), 100).await
}

impl Secured {
    async fn connect(&self, client: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let socket = self.server.connect().await;
        // Boxed, because the future is large.
        Box::pin(TlsConnector::from(client).connect(name, socket)).await
    }

    /// The answer to a request over TLS, or the error of the handshake or of the first read.
    async fn get(&self, identity: Option<&Signed>) -> std::io::Result<String> {
        let mut stream = self.connect(self.authority.client(identity, HTTP1)).await?;
        stream.write_all(GET).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn assert_serves(&self) {
        let answer = tokio::time::timeout(PATIENCE, self.get(None)).await;
        let answer = answer.unwrap().unwrap();
        assert!(answer.ends_with("here"), "{answer}");
    }

    fn closed(&self, why: Closed) -> u64 {
        self.server.stats.closed_for(why)
    }
}

#[tokio::test]
async fn one_port_serves_plain_connections_and_both_protocols_over_tls() {
    local(async {
        let secured = generous(Serves::PlainAndTls).await;
        secured.server.assert_serves().await;
        secured.assert_serves().await;
        let client = secured.authority.client(None, HTTP2);
        let stream = secured.connect(client).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(HTTP2));
        let io = TokioIo::new(stream);
        let opened = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (mut sender, connection) = Box::pin(opened).await.unwrap();
        tokio::task::spawn_local(Box::pin(connection));
        let sent = request(secured.server.address, "/");
        let answer = sender.send_request(sent).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "here");
        drop(sender);
        secured.server.wait_for_open(0).await;
        assert_eq!(secured.connections.held(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_port_with_tls_only_refuses_a_plain_client_in_its_own_protocol() {
    local(async {
        let secured = generous(Serves::TlsOnly).await;
        let answer = everything(&mut secured.server.send(GET).await).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("this port serves TLS only"), "{answer}");
        let io = TokioIo::new(secured.server.connect().await);
        let opened = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = opened.unwrap();
        let ended = tokio::task::spawn_local(connection);
        let sent = request(secured.server.address, "/");
        sender.send_request(sent).await.unwrap_err();
        let ended = ended.await.unwrap().unwrap_err();
        assert!(
            format!("{ended:?}").contains("INADEQUATE_SECURITY"),
            "{ended:?}"
        );
        secured.server.wait_for_open(0).await;
        assert_eq!(secured.closed(Closed::PlainRefused), 2);
        secured.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn a_plain_port_ends_tls_with_an_alert() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let authority = Authority::new("own");
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(authority.client(None, HTTP1));
        let socket = server.connect().await;
        let error = Box::pin(connector.connect(name, socket)).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("HandshakeFailure"), "{error}");
        server.wait_for_open(0).await;
        assert_eq!(server.stats.closed_for(Closed::TlsRefused), 1);
        server.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_without_a_good_certificate_is_refused_with_the_reason() {
    local(async {
        let secured = generous(Serves::CertifiedOnly).await;
        let good = secured.authority.sign(&Certificate::default());
        let expired = secured.authority.sign(&Certificate {
            expires: 2020,
            ..Certificate::default()
        });
        let foreign = Authority::new("foreign").sign(&Certificate::default());
        for (identity, alert) in [
            (None, "CertificateRequired"),
            (Some(&expired), "CertificateExpired"),
            (Some(&foreign), "UnknownCA"),
        ] {
            let error = secured.get(identity).await.unwrap_err().to_string();
            assert!(error.contains(alert), "{error}");
        }
        secured.server.wait_for_open(0).await;
        assert_eq!(secured.closed(Closed::TlsFailed), 3);
        let answer = secured.get(Some(&good)).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        let answer = everything(&mut secured.server.send(GET).await).await;
        assert!(answer.contains("this port serves TLS only"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_stalls_or_is_garbage_is_ended_and_its_memory_released() {
    local(async {
        let limits = Limits {
            handshake_timeout: SHORT,
            ..Limits::generous()
        };
        let secured = secured(Serves::TlsOnly, limits, 100).await;
        // The head of a record, a record with half a ClientHello, and TLS after the handshake that never shows a protocol.
        let half = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 40]].concat();
        for stalled in [&[0x16][..], &half] {
            assert_eq!(
                everything(&mut secured.server.send(stalled).await).await,
                ""
            );
        }
        secured.server.wait_for_open(0).await;
        assert_eq!(secured.closed(Closed::TlsStalled), 2);
        let client = secured.authority.client(None, HTTP1);
        let mut silent = secured.connect(client).await.unwrap();
        let mut rest = Vec::new();
        assert!(
            silent.read_to_end(&mut rest).await.is_err(),
            "no close_notify"
        );
        let garbage = [&[0x16, 3, 1, 0, 64][..], &[0xff; 64]].concat();
        everything(&mut secured.server.send(&garbage).await).await;
        let endless = [
            &[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..],
            &[7; 0x3ffc],
        ]
        .concat();
        everything(&mut secured.server.send(&endless).await).await;
        secured.server.wait_for_open(0).await;
        assert_eq!(secured.closed(Closed::TlsFailed), 2);
        assert_eq!(secured.connections.held(), 0);
        secured.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_half_handshakes_displaces_itself_and_no_honest_client() {
    local(async {
        let secured = secured(Serves::TlsOnly, Limits::generous(), 16).await;
        let mut flood = Vec::new();
        for _ in 0..200 {
            flood.push(secured.server.send(&[0x16, 3, 1]).await);
            if flood.len() % 50 == 0 {
                secured.assert_serves().await;
            }
        }
        // One address has 12 of the 16 places; the last handshake of the honest client took one of them.
        secured.server.wait_for_open(11).await;
        assert_eq!(secured.closed(Closed::TlsDisplaced), 189);
        secured.assert_serves().await;
        drop(flood);
        secured.server.wait_for_open(0).await;
        assert_eq!(secured.connections.held(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_handshake_without_memory_for_it_is_refused() {
    local(async {
        let generous = generous(Serves::TlsOnly).await;
        let budgets = Serving::generous().budgets;
        let server = serve(Serving {
            security: Some(Security {
                certificates: generous.certificates.clone(),
                serves: Serves::TlsOnly,
                handshakes: Handshakes::new(4),
            }),
            budgets: Budgets {
                connections: Budget::new("connections", crate::traffic::CONNECTION_COST + 1000),
                ..budgets
            },
            ..Serving::generous()
        })
        .await;
        assert_eq!(everything(&mut server.send(&[0x16]).await).await, "");
        assert_eq!(server.stats.closed_for(Closed::OverBudget), 1);
    })
    .await;
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_connections_stay() {
    local(async {
        let secured = generous(Serves::TlsOnly).await;
        let client = secured.authority.client(None, HTTP1);
        let mut before = secured.connect(client.clone()).await.unwrap();
        let own = |stream: &TlsStream<TcpStream>| {
            let (_, tls) = stream.get_ref();
            tls.peer_certificates().unwrap()[0].to_vec()
        };
        let old = own(&before);
        secured.authority.write(secured.directory.path()).unwrap();
        secured.certificates.refresh(0).unwrap();
        // The client offers to resume a session, but the server begins a new one, because the ticket belongs to the old settings.
        let after = secured.connect(client).await.unwrap();
        assert_ne!(own(&after), old);
        before.write_all(GET).await.unwrap();
        let mut answer = String::new();
        before.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_drain_lets_a_request_over_tls_finish_and_ends_the_idle_connection() {
    local(async {
        let secured = generous(Serves::TlsOnly).await;
        let client = secured.authority.client(None, HTTP1);
        let mut idle = secured.connect(client.clone()).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut slow = secured.connect(client).await.unwrap();
        slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let silent = secured.server.send(&[0x16, 3, 1]).await;
        let Running {
            permits, cancel, ..
        } = &secured.server;
        secured.server.wait_for_slow().await;
        cancel.cancel();
        let mut answer = String::new();
        idle.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        permits.add_permits(1);
        answer.clear();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("at last"), "{answer}");
        let served = tokio::time::timeout(PATIENCE, secured.server.served).await;
        served.unwrap().unwrap().unwrap();
        drop(silent);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_reads_none_of_its_answers_over_tls_is_closed() {
    local(async {
        let limits = Limits {
            write_timeout: SHORT,
            ..Limits::generous()
        };
        let secured = secured(Serves::TlsOnly, limits, 100).await;
        let client = secured.authority.client(None, HTTP1);
        let mut stream = secured.connect(client).await.unwrap();
        let requesting = async {
            let requests = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
            while stream.write_all(&requests).await.is_ok() {}
        };
        tokio::time::timeout(PATIENCE, requesting).await.unwrap();
        secured.server.wait_for_open(0).await;
        assert_eq!(secured.closed(Closed::Unread), 1);
        assert_eq!(secured.connections.held(), 0);
    })
    .await;
}
