use std::time::Duration;

use super::super::tests::{PATIENCE, SHORT, everything, http2, local, request, serve};
use super::super::{Closed, Limits, Serving};
use super::*;

#[test]
fn ages_are_spread_below_the_maximum() {
    let max = Duration::from_secs(1000);
    let drawn: Vec<Duration> = (0..1000).map(|_| draw(Some(max)).unwrap()).collect();
    let least = max.mul_f64(LEAST);
    assert!(drawn.iter().all(|age| (least..=max).contains(age)));
    let early = drawn.iter().filter(|age| **age < max.mul_f64(0.9)).count();
    assert!(
        (400..600).contains(&early),
        "{early} of 1000 in the first half"
    );
    assert_eq!(draw(None), None);
}

#[tokio::test]
async fn an_old_connection_gets_a_request_to_close_and_its_requests_are_answered() {
    local(async {
        let server = serve(Serving {
            limits: Limits {
                max_connection_age: Some(SHORT),
                ..Limits::generous()
            },
            ..Serving::generous()
        })
        .await;
        let mut idle = server.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut slow = server.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        server.wait_for_slow().await;
        let mut sender = http2(server.address).await;
        let stream = sender.send_request(request(server.address, "/slow"));
        let stream = tokio::task::spawn_local(stream);
        server.wait_for_slow().await;
        // A connection without further requests is closed, although its peer keeps it open.
        let answer = everything(&mut idle).await;
        assert!(answer.ends_with("here"), "{answer}");
        let aged = async {
            while server.stats.closed_for(Closed::Age) < 3 {
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        tokio::time::timeout(PATIENCE, aged).await.unwrap();
        server.permits.add_permits(2);
        let answer = everything(&mut slow).await;
        assert!(
            answer.contains("connection: close") && answer.ends_with("at last"),
            "{answer}"
        );
        assert_eq!(stream.await.unwrap().unwrap().status(), 200);
        // The HTTP/2 peer received a GOAWAY and closed after its last answer.
        server.wait_for_open(0).await;
        assert!(sender.ready().await.is_err());
        server.assert_serves().await;
    })
    .await;
}
