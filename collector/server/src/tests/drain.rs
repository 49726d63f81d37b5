//! How a listener stops.

use tokio::time::Instant;

use super::*;
use crate::Closed;

#[tokio::test]
async fn a_drain_lets_requests_finish_and_accepts_no_new_ones() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut one = server.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut idle = server.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let silent = server.connect().await;
        let mut sender = http2(server.address).await;
        let two = tokio::task::spawn_local(sender.send_request(request(server.address, "/slow")));
        server.wait_for_slow().await;
        server.wait_for_slow().await;

        server.cancel.cancel();
        assert!(everything(&mut idle).await.ends_with("here"));
        server.wait_for_open(2).await;
        assert!(TcpStream::connect(server.address).await.is_err());

        server.permits.add_permits(2);
        let answer = everything(&mut one).await;
        assert!(
            answer.contains("connection: close") && answer.ends_with("at last"),
            "{answer}"
        );
        assert_eq!(two.await.unwrap().unwrap().status(), 200);
        tokio::time::timeout(PATIENCE, server.served)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        drop(silent);
    })
    .await;
}

#[tokio::test]
async fn a_drain_ends_with_the_grace() {
    local(async {
        let server = start(Limits::generous(), SHORT).await;
        let mut one = server.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut sender = http2(server.address).await;
        let two = tokio::task::spawn_local(sender.send_request(request(server.address, "/slow")));
        server.wait_for_slow().await;
        server.wait_for_slow().await;
        server.cancel.cancel();
        let cut = tokio::time::timeout(PATIENCE, server.served)
            .await
            .unwrap()
            .unwrap()
            .unwrap_err();
        assert_eq!(cut.requests, 2);
        assert_eq!(everything(&mut one).await, "");
        two.await.unwrap().unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn a_request_that_was_sent_before_the_stop_is_answered() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut one = server.connect().await;
        let silent = server.connect().await;
        server.wait_for_open(2).await;
        // No other task of this thread runs before the next await.
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        assert_eq!(one.try_write(request).unwrap(), request.len());
        server.cancel.cancel();
        let answer = everything(&mut one).await;
        assert!(answer.ends_with("here"), "{answer}");
        let served = tokio::time::timeout(PATIENCE, server.served).await;
        served.unwrap().unwrap().unwrap();
        drop(silent);
    })
    .await;
}

/// A stop during the drain of a connection that has reached its maximum age grants the whole grace, and reports the requests that
/// it cuts off.
#[tokio::test]
async fn a_stop_restarts_the_drain_of_an_old_connection() {
    local(async {
        let limits = Limits {
            max_connection_age: Some(SHORT),
            ..Limits::generous()
        };
        let server = start(limits, PATIENCE).await;
        let mut one = server.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        server.wait_for_slow().await;
        wait_until(|| server.stats.closed_for(Closed::Age) > 0).await;
        // Nothing more happens on the socket, so the clock may advance to the next timer at once.
        tokio::time::pause();
        let start = Instant::now();
        tokio::time::sleep(PATIENCE / 2).await;
        server.cancel.cancel();
        let cut = server.served.await.unwrap().unwrap_err();
        assert_eq!(cut.requests, 1);
        assert!(start.elapsed() >= PATIENCE + PATIENCE / 2);
        assert_eq!(everything(&mut one).await, "");
    })
    .await;
}

/// A peer that is paused, or whose host is lost: it never answers the last ping.
#[tokio::test]
async fn a_drain_does_not_wait_for_an_idle_peer_that_does_not_close() {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    local(async {
        let server = start(Limits::generous(), Duration::from_secs(3600)).await;
        let mut peer = server.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        peer.write_all(&SETTINGS).await.unwrap();
        peer.read_exact(&mut [0; SETTINGS.len()]).await.unwrap();
        server.cancel.cancel();
        tokio::time::timeout(PATIENCE, server.served)
            .await
            .expect("the drain ends long before its grace")
            .unwrap()
            .unwrap();
        drop(peer);
    })
    .await;
}
