use h2::server;
use http::Method;
use tokio::{io::duplex, time::Instant};
use tower_service::Service;

use super::*;
use crate::Agent;

/// The keepalive of an agent whose settings do not change the default.
fn by_default() -> Keepalive {
    let builder = Agent::builder("a").direct_collectors(["c:1"]);
    builder.environment([("", "")]).resolve().unwrap().keepalive
}

#[tokio::test(start_paused = true)]
async fn a_silently_dropped_connection_is_detected_within_thirty_seconds() {
    let (ours, theirs) = duplex(64 * 1024);
    let (_sender, connection) = handshake(ours, by_default()).await.unwrap();
    // The peer keeps the connection open and answers nothing, not even the ping.
    let _silent = theirs;
    let from = Instant::now();
    let error = connection.await.unwrap_err();
    assert!(
        from.elapsed() < Duration::from_secs(30),
        "{:?}",
        from.elapsed()
    );
    assert!(!refuses_pings(&error));
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("keep-alive timed out"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_call_fails_when_its_silently_dropped_connection_ends() {
    let (ours, _silent) = duplex(64 * 1024);
    let (sender, connection) = handshake(ours, by_default()).await.unwrap();
    let mut transport = Transport {
        sender,
        authentication: None,
    };
    let request = Request::builder().method(Method::POST).uri("http://c/a/b");
    let call = transport.call(request.body(Body::empty()).unwrap());
    let from = Instant::now();
    let (call, connection) = tokio::join!(call, connection);
    assert!(from.elapsed() < Duration::from_secs(30));
    assert_eq!(call.unwrap_err().code(), tonic::Code::Unavailable);
    connection.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_answers_pings_stays_open_without_other_traffic() {
    let (ours, theirs) = duplex(64 * 1024);
    let peer = async {
        let mut peer = server::handshake(theirs).await.unwrap();
        while peer.accept().await.is_some() {}
    };
    let ours = async {
        let (_sender, connection) = handshake(ours, by_default()).await.unwrap();
        let hour = Duration::from_secs(3600);
        timeout(hour, connection).await.unwrap_err();
    };
    tokio::select! {
        () = peer => panic!("the connection ended"),
        () = ours => {}
    }
}

#[tokio::test]
async fn a_refusal_because_of_too_many_pings_is_recognised() {
    for (reason, complains) in [
        (h2::Reason::ENHANCE_YOUR_CALM, true),
        (h2::Reason::INTERNAL_ERROR, false),
    ] {
        let (ours, theirs) = duplex(64 * 1024);
        let peer = async {
            let mut peer = server::handshake(theirs).await.unwrap();
            peer.abrupt_shutdown(reason);
            while peer.accept().await.is_some() {}
        };
        let ours = async {
            let (_sender, connection) = handshake(ours, by_default()).await.unwrap();
            connection.await.unwrap_err()
        };
        let ((), error) = tokio::join!(peer, ours);
        assert_eq!(refuses_pings(&error), complains, "{error:?}");
    }
}
