use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http_body_util::{BodyExt, Full, StreamBody};
use rollcall_limits::Budget;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;
use crate::{Serving, fault::Exchange, protocol::Protocol, tests::traffic_of, traffic::Traffic};

type Arriving = StreamBody<UnboundedReceiverStream<Result<Frame<Bytes>, Infallible>>>;

/// A body whose parts the test sends.
struct Sending {
    parts: mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>,
    body: Pin<Box<Inbound<Arriving>>>,
    exchange: Arc<Exchange>,
    traffic: Arc<Traffic>,
}

impl Sending {
    fn new(is_grpc: bool, limit: usize) -> Self {
        let mut serving = Serving::generous();
        serving.budgets.requests = Budget::new("requests", limit);
        let traffic = traffic_of(serving, Protocol::Http2);
        let (parts, arriving) = mpsc::unbounded_channel();
        let exchange = Exchange::new(is_grpc);
        let body = StreamBody::new(UnboundedReceiverStream::new(arriving));
        let body = Inbound::new(body, Reading::new(&traffic, &exchange));
        Self {
            parts,
            body: Box::pin(body),
            exchange,
            traffic,
        }
    }

    fn send(&self, bytes: &[u8]) {
        let part = Frame::data(Bytes::copy_from_slice(bytes));
        self.parts.send(Ok(part)).unwrap();
    }

    /// The next result for the handler; `None` while it must wait.
    fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        let frame = self.body.frame().now_or_never()?.expect("another frame");
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }

    /// Bytes that the budget of connections holds for bodies that no handler has read.
    fn waiting(&self) -> usize {
        self.traffic.settle();
        self.traffic.serving.budgets.connections.held()
    }

    fn held(&self) -> usize {
        self.traffic.serving.budgets.requests.held()
    }
}

fn message(length: usize) -> Vec<u8> {
    let announced = u32::try_from(length).unwrap().to_be_bytes();
    [&[0][..], &announced, &vec![7; length]].concat()
}

#[tokio::test]
async fn a_small_request_is_free() {
    for is_grpc in [true, false] {
        let mut body = Sending::new(is_grpc, 0);
        body.send(&message(FREE - 5));
        assert_eq!(body.next().unwrap().unwrap(), message(FREE - 5));
    }
}

#[tokio::test]
async fn a_message_of_a_stream_is_charged_until_the_next_poll() {
    let mut body = Sending::new(true, 1 << 20);
    let bytes = message(100_000);
    for round in 0..30 {
        tokio::task::yield_now().await;
        for part in bytes.chunks(16 << 10) {
            assert!(body.next().is_none());
            body.send(part);
        }
        let mut length = 0;
        while length < bytes.len() {
            length += body.next().unwrap().unwrap().len();
            assert!(body.held() >= 100_000, "{} in round {round}", body.held());
        }
        assert!(body.next().is_none());
        assert_eq!(body.held(), 0, "round {round}");
    }
}

#[tokio::test]
async fn half_a_message_is_charged_for_its_received_bytes() {
    let mut body = Sending::new(true, 1 << 20);
    body.send(&message(900_000)[..5]);
    assert!(body.next().is_none());
    assert_eq!(body.held(), 0);
    body.send(&message(900_000)[5..100_000]);
    assert!(body.next().is_none());
    let held = body.held();
    assert!((100_000..200_000).contains(&held), "{held}");
    drop(body.body);
    assert_eq!(body.traffic.serving.budgets.requests.held(), 0);
}

#[tokio::test]
async fn a_plain_body_is_charged_until_its_request_is_answered() {
    let mut body = Sending::new(false, 1 << 20);
    for _ in 0..3 {
        body.send(&[0; 10_000]);
        assert_eq!(body.next().unwrap().unwrap().len(), 10_000);
    }
    assert_eq!(body.held(), 30_000);
    let Sending {
        body,
        exchange,
        traffic,
        ..
    } = body;
    drop(body);
    assert_eq!(traffic.serving.budgets.requests.held(), 30_000);
    drop(exchange);
    assert_eq!(traffic.serving.budgets.requests.held(), 0);
}

#[tokio::test]
async fn a_body_beyond_the_budget_fails_with_the_reason() {
    for is_grpc in [true, false] {
        let mut body = Sending::new(is_grpc, 20_000);
        body.send(&message(50_000)[..15_000]);
        assert_eq!(body.next().is_some(), !is_grpc);
        body.send(&message(50_000)[15_000..30_000]);
        let error = body.next().unwrap().unwrap_err();
        assert!(error.is::<Fault>(), "{error}");
        assert!(matches!(body.exchange.fault(), Some(Fault::OverBudget(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_owes_bytes_and_sends_none_times_out() {
    for (is_grpc, sent) in [
        (true, &message(9)[..3]),
        (true, &message(9)[..13]),
        (false, b"x"),
    ] {
        let mut body = Sending::new(is_grpc, 1 << 20);
        let timeout = body.traffic.serving.limits.read_timeout;
        body.send(sent);
        assert_eq!(body.next().is_some(), !is_grpc);
        let start = tokio::time::Instant::now();
        body.body.frame().await.unwrap().unwrap_err();
        let waited = start.elapsed();
        assert!((timeout..timeout * 11 / 10).contains(&waited), "{waited:?}");
        assert_eq!(body.exchange.fault(), Some(Fault::TooSlow(timeout)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_be_idle_between_its_messages() {
    let mut body = Sending::new(true, 1 << 20);
    for _ in 0..3 {
        let day = tokio::time::timeout(Duration::from_secs(86_400), body.body.frame());
        assert!(day.await.is_err());
        // The first part of a message starts the timer, and the complete message ends it.
        body.send(&message(9)[..3]);
        assert!(body.next().is_none());
        body.send(&message(9)[3..]);
        while body.next().is_some() {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_that_makes_progress_does_not_time_out() {
    let mut body = Sending::new(true, 1 << 20);
    let timeout = body.traffic.serving.limits.read_timeout;
    for part in message(20 * LEAST).chunks(LEAST) {
        let wait = tokio::time::timeout(timeout * 2 / 3, body.body.frame());
        assert!(wait.await.is_err());
        body.send(part);
    }
    assert!(body.next().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_does_not_time_out_its_peer() {
    let mut body = Sending::new(false, 1 << 20);
    body.send(b"first");
    assert!(body.next().unwrap().is_ok());
    assert!(body.next().is_none());
    body.send(b"second");
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(body.next().unwrap().unwrap(), &b"second"[..]);
}

#[tokio::test]
async fn a_request_waits_for_its_peer_while_its_handler_waits_for_bytes() {
    let mut body = Sending::new(true, 1 << 20);
    let working = body.traffic.begin().unwrap();
    assert_eq!(body.traffic.busy(), 1);
    assert!(body.next().is_none());
    assert_eq!((body.traffic.busy(), body.traffic.under_way()), (0, 1));
    body.send(&message(3));
    body.next().unwrap().unwrap();
    assert_eq!(body.traffic.busy(), 1);
    assert!(body.next().is_none());
    drop(body.body);
    assert_eq!(body.traffic.busy(), 1);
    drop(working);
    assert!(body.traffic.is_idle());
}

#[tokio::test]
async fn a_request_without_a_body_is_forwarded() {
    let body = pin!(Inbound::empty(Full::new(Bytes::new())));
    assert!(body.is_end_stream());
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn a_body_that_its_handler_drops_is_charged_no_longer() {
    for is_grpc in [false, true] {
        let sending = Sending::new(is_grpc, 1 << 20);
        let _working = sending.traffic.begin().unwrap();
        for _ in 0..10 {
            sending.send(&[7; 10_000]);
            sending.traffic.arrive(10_000);
        }
        assert!(sending.waiting() >= 100_000);
        let Sending { body, traffic, .. } = sending;
        drop(body);
        traffic.settle();
        assert_eq!(traffic.serving.budgets.connections.held(), 0);
    }
}

#[tokio::test]
async fn the_only_request_that_waits_shows_that_other_bytes_were_discarded() {
    let mut sending = Sending::new(true, 1 << 20);
    let standing = sending.traffic.begin().unwrap();
    // These bytes arrived for a request that has ended.
    sending.traffic.arrive(100_000);
    sending.traffic.deliver();
    assert!(sending.waiting() >= 100_000);
    let other = sending.traffic.begin().unwrap();
    assert!(sending.next().is_none());
    assert!(
        sending.waiting() >= 100_000,
        "they may be of the other request"
    );
    drop(other);
    assert!(sending.next().is_none());
    assert_eq!(sending.waiting(), 0);
    drop(standing);
}
