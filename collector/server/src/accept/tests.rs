//! Connections over the limits.

use tokio::task::yield_now;
use tokio::time::timeout;

use super::super::tests::{PATIENCE, everything, http2, local, request, serve};
use super::super::{Closed, Full, Limits, Room, Serving};

fn serving(max_connections: usize, room: Room) -> Serving {
    Serving {
        limits: Limits {
            max_connections,
            ..Limits::generous()
        },
        room,
        has_http: true,
        ..Serving::generous()
    }
}

#[tokio::test]
async fn a_connection_over_the_limit_is_served_one_http1_request() {
    local(async {
        // Room for a single standing connection, and one brief place.
        let full = || (1, Room::new(None, 1, usize::MAX));
        let scarce = || (1000, Room::new(Some(8), 1, usize::MAX));
        let greedy = || (1000, Room::new(None, 1, 1));
        for (limit, room) in [full(), scarce(), greedy()] {
            let server = serve(serving(limit, room)).await;
            let _standing = server.connect().await;
            server.wait_for_open(1).await;
            // The request is answered, and the connection closes although the peer requests keep-alive.
            let mut stream = server.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let answer = everything(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
            server.wait_for_open(1).await;
            // gRPC cannot be served briefly.
            let sender = http2(server.address).await;
            assert!(
                { sender }
                    .send_request(request(server.address, "/"))
                    .await
                    .is_err()
            );
            assert_eq!(server.stats.closed_for(Closed::NoRoom), 1);
            assert_eq!(server.stats.brief(), 2);
        }
    })
    .await;
}

/// Replaces a standing connection beside a brief one, and returns the status of a request on the new connection and the number of
/// connections that found no room. It returns nothing if the brief connection has ended meanwhile: it lasts two seconds, and a busy
/// machine may take longer.
async fn beside_a_brief_connection() -> Option<(u16, u64)> {
    let server = serve(serving(1, Room::new(Some(256), 1, usize::MAX))).await;
    let standing = server.connect().await;
    server.wait_for_open(1).await;
    let brief = server.connect().await;
    while server.stats.brief() == 0 {
        yield_now().await;
    }
    drop(standing);
    while server.stats.open() > 1 {
        yield_now().await;
    }
    // Only a standing connection serves HTTP/2.
    let mut sender = http2(server.address).await;
    let answer = sender.send_request(request(server.address, "/")).await;
    let is_open = brief.try_read(&mut [0]).is_err();
    let status = answer.map_or(0, |answer| answer.status().as_u16());
    is_open.then(|| (status, server.stats.closed_for(Closed::NoRoom)))
}

#[tokio::test]
async fn a_brief_connection_takes_no_standing_place() {
    local(async {
        let attempts = async {
            loop {
                if let Some(seen) = beside_a_brief_connection().await {
                    return seen;
                }
            }
        };
        let seen = timeout(PATIENCE, attempts).await;
        assert_eq!(seen.expect("an attempt within two seconds"), (200, 0));
    })
    .await;
}

#[tokio::test]
async fn silent_peers_do_not_prevent_an_answer() {
    local(async {
        let server = serve(serving(1, Room::new(Some(64), 1, usize::MAX))).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(server.connect().await);
            server.assert_serves().await;
        }
        let refused: u64 = Full::ALL.map(|why| server.stats.refused(why)).iter().sum();
        assert_eq!(refused, 0, "one more request always finds a place");
    })
    .await;
}

#[tokio::test]
async fn without_http_a_connection_over_the_limit_is_closed_at_once() {
    local(async {
        let server = serve(Serving {
            has_http: false,
            ..serving(1, Room::new(None, 1, usize::MAX))
        })
        .await;
        let _standing = server.connect().await;
        server.wait_for_open(1).await;
        assert_eq!(everything(&mut server.connect().await).await, "");
        assert_eq!(server.stats.refused(Full::Listener), 1);
        server.wait_for_open(1).await;
    })
    .await;
}
