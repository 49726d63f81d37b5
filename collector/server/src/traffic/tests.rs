use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;
use crate::Closed;
use crate::protocol::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::tests::{
    Running, local, serve, serve_with, traffic_of, wait_until, with_connection_budget,
};

/// The settings of a server with this connection budget, in bytes.
fn serving(limit: usize) -> Serving {
    let mut serving = with_connection_budget(limit);
    serving.limits.max_streams_per_connection = 1000;
    serving
}

fn traffic(limit: usize) -> Arc<Traffic> {
    traffic_of(serving(limit), Protocol::Http2)
}

#[test]
fn a_stream_is_charged_once_and_before_its_request_begins() {
    let traffic = traffic(1 << 20);
    let connections = traffic.serving.budgets.connections.clone();
    for _ in 0..10 {
        assert_eq!(traffic.announce(), Ok(()));
    }
    let charged = connections.held();
    assert!(charged >= 8 * STREAM_COST, "{charged}");
    let working: Vec<_> = (0..10).map(|_| traffic.begin().unwrap()).collect();
    assert_eq!(connections.held(), charged);
    drop(working);
    // A head that did not become a request counts only in its own turn.
    for _ in 0..100 {
        traffic.begin_turn();
        assert_eq!(traffic.announce(), Ok(()));
    }
    assert_eq!(connections.held(), charged);
}

#[test]
fn streams_that_h2_refuses_are_not_charged() {
    let traffic = traffic(64 << 20);
    let connections = traffic.serving.budgets.connections.clone();
    for _ in 0..10_000 {
        assert_eq!(traffic.announce(), Ok(()));
    }
    let most = traffic.serving.limits.max_streams_per_connection + RESET_STREAMS;
    assert_eq!(connections.held(), (most - BLOCK) * STREAM_COST);
    // The streams that h2 accepts begin without another charge.
    let streams: Vec<_> = (0..most).map(|_| traffic.begin().unwrap()).collect();
    assert_eq!(connections.held(), (most - BLOCK) * STREAM_COST);
    drop(streams);
}

#[test]
fn a_peer_that_keeps_opening_streams_over_the_budget_is_closed_before_they_are_built() {
    let traffic = traffic(0);
    let taken = (0..1000).take_while(|_| traffic.announce().is_ok()).count();
    assert_eq!(taken, BLOCK + MOST_REFUSED);
}

/// Opens a stream for which the budget has no room, in a turn of its own. Returns whether the connection stays open.
fn open_refused(traffic: &Arc<Traffic>) -> bool {
    traffic.begin_turn();
    let is_taken = traffic.announce().is_ok();
    if is_taken {
        traffic.begin().unwrap_err();
        traffic.settle();
    }
    is_taken && !traffic.is_over_budget()
}

#[test]
fn refusals_that_were_written_do_not_close_a_connection() {
    let traffic = traffic(0);
    let _streams: Vec<_> = (0..BLOCK).map(|_| traffic.begin().unwrap()).collect();
    for refused in 0..3 * MOST_REFUSED {
        assert!(open_refused(&traffic), "after {refused} refusals");
    }
    // The peer reads nothing any more, so the refusals stay in memory.
    traffic.block();
    let taken = (0..1000).take_while(|_| open_refused(&traffic)).count();
    assert_eq!(taken, MOST_REFUSED);
}

#[test]
fn refusals_whose_text_stays_in_memory_close_a_connection() {
    let traffic = traffic(0);
    let _streams: Vec<_> = (0..BLOCK).map(|_| traffic.begin().unwrap()).collect();
    let mut texts: Vec<_> = (1..MOST_REFUSED).map(|_| Refusing::new(&traffic)).collect();
    assert!(open_refused(&traffic));
    texts.push(Refusing::new(&traffic));
    assert!(!open_refused(&traffic));
    texts.clear();
    assert!(open_refused(&traffic));
}

#[test]
fn pieces_of_answers_are_not_refused_streams() {
    let traffic = traffic(0);
    let answer = traffic.begin().unwrap().answer();
    let _pieces: Vec<_> = (0..2 * MOST_REFUSED).map(|_| answer.piece()).collect();
    assert!(open_refused(&traffic), "only this stream is refused");
}

#[test]
fn a_stream_whose_head_was_charged_is_served_whatever_was_answered_meanwhile() {
    let traffic = traffic(0);
    let answer = traffic.begin().unwrap().answer();
    assert_eq!(traffic.announce(), Ok(()));
    let _pieces: Vec<_> = (0..BLOCK).map(|_| answer.piece()).collect();
    let _working = traffic.begin().unwrap();
    traffic.begin().unwrap_err();
}

#[test]
fn waiting_bytes_are_released_when_no_request_is_in_progress() {
    let traffic = traffic(1 << 20);
    let connections = traffic.serving.budgets.connections.clone();
    let working = traffic.begin().unwrap();
    traffic.arrive(100_000);
    traffic.settle();
    assert_eq!(connections.held(), 4 * WAITING_BLOCK);
    // The charge for bytes that were read is released without another turn of the connection.
    traffic.receive(98_000);
    assert_eq!(connections.held(), 0);
    traffic.arrive(CONNECTION_WINDOW * 2);
    traffic.settle();
    assert_eq!(
        connections.held(),
        STREAM_WINDOW,
        "more than h2 accepts for one stream"
    );
    let others: Vec<_> = (0..3).map(|_| traffic.begin().unwrap()).collect();
    traffic.settle();
    assert!(traffic.is_over_budget(), "more than the budget has");
    drop((working, others));
    traffic.settle();
    traffic.receive(7);
    assert_eq!(traffic.waiting(), 0);
}

#[test]
fn bytes_that_arrive_while_a_handler_reads_are_not_charged_by_it() {
    let traffic = traffic(4 * WAITING_BLOCK * 2);
    let connections = traffic.serving.budgets.connections.clone();
    let _working = traffic.begin().unwrap();
    traffic.arrive(WAITING_BLOCK);
    traffic.settle();
    assert_eq!(connections.held(), WAITING_BLOCK);
    // A handler has read them and is about to release their charge.
    traffic.received.fetch_add(WAITING_BLOCK, Relaxed);
    traffic.arrive(2 * WAITING_BLOCK);
    traffic.release_waiting();
    assert_eq!(connections.held(), WAITING_BLOCK);
    traffic.settle();
    assert_eq!(connections.held(), 2 * WAITING_BLOCK);
}

#[test]
fn bytes_that_arrive_while_a_handler_waits_on_another_thread_stay_charged() {
    let traffic = traffic(64 * WAITING_BLOCK);
    let _working = traffic.begin().unwrap();
    traffic.arrive(1000);
    traffic.deliver();
    // The handler found nothing, and these bytes arrive before it records that.
    let delivered = traffic.delivered();
    traffic.arrive(2 * WAITING_BLOCK);
    traffic.infer_discarded(delivered);
    assert_eq!(traffic.waiting(), 2 * WAITING_BLOCK);
    traffic.deliver();
    traffic.infer_discarded(delivered);
    assert_eq!(traffic.waiting(), 2 * WAITING_BLOCK);
    traffic.infer_discarded(traffic.delivered());
    assert_eq!(traffic.waiting(), 0);
}

/// A connection over HTTP/2 for requests with a body.
async fn connect(server: &Running) -> http2::SendRequest<Full<Bytes>> {
    let io = TokioIo::new(server.connect().await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::task::spawn_local(connection);
    sender
}

/// A request with a body of this many bytes.
fn post_request(server: &Running, path: &str, length: usize) -> Request<Full<Bytes>> {
    Request::post(format!("http://{}/{path}", server.address))
        .body(Full::new(Bytes::from(vec![b'x'; length])))
        .unwrap()
}

/// Sends a body to a handler that does not read it.
async fn send_unread(server: &Running) -> tokio::task::JoinHandle<hyper::Result<u16>> {
    let mut sender = connect(server).await;
    let request = post_request(server, "unread", 200 << 10);
    tokio::task::spawn_local(async move {
        let answer = sender.send_request(request).await?;
        Ok(answer.status().as_u16())
    })
}

#[tokio::test]
async fn a_body_that_its_handler_does_not_read_is_charged_until_the_request_is_answered() {
    local(async {
        let serving = serving(1 << 20);
        let connections = serving.budgets.connections.clone();
        let server = serve(serving).await;
        let answer = send_unread(&server).await;
        wait_until(|| connections.held() >= CONNECTION_COST + (200 << 10)).await;
        server.permits.add_permits(1);
        assert_eq!(answer.await.unwrap().unwrap(), 200);
        wait_until(|| connections.held() <= CONNECTION_COST).await;
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_not_read_are_released_beside_a_standing_stream() {
    const BODY: usize = 40 << 10;
    local(async {
        let serving = serving(1 << 20);
        let connections = serving.budgets.connections.clone();
        let standing = Router::new().route("/standing", post(std::future::pending::<&'static str>));
        let server = serve_with(standing, serving).await;
        let mut sender = connect(&server).await;
        let mut send = |path, length| {
            let request = post_request(&server, path, length);
            tokio::task::spawn_local(sender.send_request(request))
        };
        let standing = send("standing", 0);
        wait_until(|| connections.held() == CONNECTION_COST).await;
        for _ in 0..3 {
            let answer = send("unread", BODY);
            wait_until(|| connections.held() >= CONNECTION_COST + BODY).await;
            server.permits.add_permits(1);
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
            wait_until(|| connections.held() <= CONNECTION_COST).await;
        }
        drop(standing);
    })
    .await;
}

#[tokio::test]
async fn a_connection_whose_unread_bodies_exceed_the_budget_is_closed() {
    local(async {
        let server = serve(serving(256 << 10)).await;
        let answer = send_unread(&server).await;
        answer.await.unwrap().unwrap_err();
        wait_until(|| server.stats.closed_for(Closed::OverBudget) == 1).await;
    })
    .await;
}
