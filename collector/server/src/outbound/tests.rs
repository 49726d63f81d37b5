use std::convert::Infallible;
use std::task::Waker;

use bytes::Buf;
use http_body_util::{BodyExt, Full, StreamBody};
use rollcall_limits::Budget;
use tokio::time::{Duration, Instant, timeout};

use super::waiting::PAUSE;
use super::*;
use crate::{Serving, protocol::Protocol, tests::traffic_of, traffic::Traffic};

fn serving(limit: usize) -> Serving {
    let mut serving = Serving::generous();
    serving.budgets.answers = Budget::new("answers", limit);
    serving
}

fn traffic(limit: usize) -> Arc<Traffic> {
    traffic_of(serving(limit), Protocol::Http2)
}

fn begin<B>(traffic: &Arc<Traffic>, body: B) -> Result<Outbound<B>, OverBudget>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let answering = traffic.begin().unwrap().answer();
    let mut context = Context::from_waker(Waker::noop());
    Outbound::begin(body, true, None, answering, &mut context).map_err(|(over, _)| over)
}

/// A body of unknown length.
fn streamed(parts: &[usize]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
    let frames: Vec<_> = parts
        .iter()
        .map(|size| Ok(Frame::data(Bytes::from(vec![1; *size]))))
        .chain([Ok(Frame::trailers(HeaderMap::new()))])
        .collect();
    StreamBody::new(tokio_stream::iter(frames))
}

/// A body that pushes a list.
fn push(list: &Bytes) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
    let parts = [Bytes::from_static(b"head"), list.clone()];
    let frames = parts.map(|part| Ok(Frame::data(part)));
    StreamBody::new(tokio_stream::iter(frames))
}

#[tokio::test]
async fn a_large_answer_is_charged_until_its_last_piece_is_dropped() {
    let traffic = traffic(1 << 20);
    let held = || traffic.serving.budgets.answers.held();
    let mut body = begin(&traffic, Full::from(vec![7; 100_000])).unwrap();
    assert_eq!((body.size_hint().exact(), held()), (Some(100_000), 100_000));
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    drop(body);
    assert!(pieces.iter().all(|piece| piece.remaining() <= PIECE));
    let length: usize = pieces.iter().map(Buf::remaining).sum();
    assert_eq!(length, 100_000);
    let last = pieces.pop();
    drop(pieces);
    assert!(traffic.is_unread());
    assert_eq!(held(), 100_000);
    drop(last);
    assert!(traffic.is_idle());
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn an_answer_of_unknown_length_is_charged_before_it_begins() {
    let traffic = traffic(50_000);
    let body = begin(&traffic, streamed(&[40_000, 10])).unwrap();
    assert_eq!(traffic.serving.budgets.answers.held(), 40_000);
    let collected = body.collect().await.unwrap();
    assert!(collected.trailers().is_some());
    assert_eq!(collected.to_bytes().len(), 40_010);
    assert_eq!(traffic.serving.budgets.answers.held(), 0);
}

#[tokio::test]
async fn an_answer_beyond_the_budget_does_not_begin() {
    let traffic = traffic(50_000);
    begin(&traffic, Full::from(vec![7; 60_000])).unwrap_err();
    assert!(begin(&traffic, streamed(&[60_000])).is_err());
    let late = begin(&traffic, streamed(&[10, 60_000])).unwrap();
    assert!(late.collect().await.unwrap_err().is::<OverBudget>());
    assert_eq!(traffic.serving.budgets.answers.held(), 0);
    assert!(traffic.is_idle());
}

#[tokio::test]
async fn an_answer_that_its_handler_has_paid_for_is_not_charged_again() {
    let traffic = traffic(100_000);
    let answers = &traffic.serving.budgets.answers;
    let begin = |paid, length| {
        let paid = Some(Paid::new(answers.try_charge(paid).unwrap()));
        let answering = traffic.begin().unwrap().answer();
        let mut context = Context::from_waker(Waker::noop());
        Outbound::begin(
            Full::from(vec![7; length]),
            false,
            paid,
            answering,
            &mut context,
        )
    };
    let mut body = begin(70_000, 60_000).unwrap();
    assert_eq!(answers.held(), 70_000);
    let first = body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(answers.held(), 70_000, "the first piece holds all of it");
    drop(first);
    assert_eq!(answers.held(), 0);
    // A charge that is too small covers nothing.
    drop(begin(10_000, 60_000).unwrap());
    assert!(begin(50_000, 60_000).is_err());
}

#[tokio::test]
async fn a_small_answer_is_free() {
    let traffic = traffic(0);
    let body = begin(&traffic, Full::from(vec![7; FREE])).unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), FREE);
    let body = begin(&traffic, streamed(&[FREE])).unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), FREE);
}

#[tokio::test]
async fn the_length_of_an_answer_is_known_as_far_as_its_body_knows_it() {
    let traffic = traffic(1 << 20);
    let text = Outbound::<Full<Bytes>>::text(Bytes::from_static(b"refused"), None);
    assert_eq!(text.size_hint().exact(), Some(7));
    assert_eq!(text.collect().await.unwrap().to_bytes(), &b"refused"[..]);
    let body = begin(&traffic, streamed(&[10, 20])).unwrap();
    assert_eq!(
        (body.size_hint().lower(), body.size_hint().upper()),
        (10, None)
    );
    let mut body = begin(&traffic, Full::from(vec![7; PIECE + 1])).unwrap();
    body.frame().await.unwrap().unwrap();
    assert_eq!(body.size_hint().exact(), Some(1));
}

#[tokio::test]
async fn the_written_bytes_of_a_piece_are_counted() {
    let traffic = traffic(1 << 20);
    let mut body = begin(&traffic, Full::from(vec![7; 100])).unwrap();
    let frame = body.frame().await.unwrap().unwrap();
    let mut piece = frame.into_data().unwrap();
    piece.advance(30);
    assert_eq!((piece.remaining(), traffic.sent()), (70, 30));
}

#[tokio::test]
async fn memory_that_answers_share_is_charged_once() {
    let traffic = traffic(100_000);
    let held = || traffic.serving.budgets.answers.held();
    let list = Bytes::from(vec![7; 60_000]);
    let shared = || {
        let frames = [Ok::<_, Infallible>(Frame::data(list.clone()))];
        begin(&traffic, StreamBody::new(tokio_stream::iter(frames))).unwrap()
    };
    let (mut first, second) = (shared(), shared());
    assert_eq!(held(), 60_000);
    let piece = first.frame().await.unwrap().unwrap();
    drop(first);
    drop(second);
    assert_eq!(held(), 60_000, "the piece uses the memory of the list");
    drop(piece);
    assert_eq!(held(), 0);
    let third = shared();
    assert_eq!(held(), 60_000);
    drop(third);
}

#[tokio::test(start_paused = true)]
async fn a_stream_beyond_the_budget_waits_for_room() {
    let traffic = traffic(100_000);
    let answers = &traffic.serving.budgets.answers;
    let mut stream = begin(&traffic, streamed(&[10, 60_000])).unwrap();
    let other = answers.try_charge(60_000).unwrap();
    assert_eq!(
        stream
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .remaining(),
        10
    );
    let mut next = Box::pin(stream.frame());
    timeout(4 * PAUSE, &mut next).await.unwrap_err();
    drop(other);
    let piece = next.await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(piece.remaining(), PIECE);
    assert_eq!(answers.refused(), 1, "the wait is counted once");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_room_ends_before_its_peer_counts_as_silent() {
    for (write_timeout, longest) in [(20, 3), (1, 1)] {
        let mut serving = serving(100_000);
        serving.limits.write_timeout = Duration::from_secs(write_timeout);
        let traffic = traffic_of(serving, Protocol::Http2);
        let answers = &traffic.serving.budgets.answers;
        let stream = begin(&traffic, streamed(&[10, 60_000])).unwrap();
        let _other = answers.try_charge(60_000).unwrap();
        let began = Instant::now();
        assert!(stream.collect().await.unwrap_err().is::<OverBudget>());
        let (waited, longest) = (began.elapsed(), Duration::from_secs(longest));
        assert!(waited >= longest && waited < longest + 2 * PAUSE);
        assert!(traffic.is_idle());
    }
}

/// A gRPC message in two frames of these lengths.
fn message(head: usize, tail: usize) -> [Bytes; 2] {
    let length = u32::try_from(head - 5 + tail).unwrap();
    let mut first = vec![0; head];
    first[1..5].copy_from_slice(&length.to_be_bytes());
    [first.into(), vec![7; tail].into()]
}

/// A stream that has yielded an empty message and then yields these frames.
async fn begun(
    traffic: &Arc<Traffic>,
    frames: Vec<Bytes>,
) -> impl Body<Data = Piece, Error = BoxError> + Unpin + use<> {
    let empty = Bytes::from_static(&[0; 5]);
    let frames = std::iter::once(empty).chain(frames);
    let frames = frames.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let frames: Vec<_> = frames.collect();
    let mut stream = begin(traffic, StreamBody::new(tokio_stream::iter(frames))).unwrap();
    stream.frame().await.unwrap().unwrap();
    stream
}

/// Reads this many bytes.
async fn read(stream: &mut (impl Body<Data = Piece, Error = BoxError> + Unpin), mut bytes: usize) {
    while bytes > 0 {
        let piece = stream.frame().await.unwrap().unwrap();
        bytes -= piece.into_data().unwrap().remaining();
    }
}

/// Almost the longest time that a message waits.
const ALMOST: Duration = Duration::from_millis(2600);

#[tokio::test(start_paused = true)]
async fn all_frames_of_a_message_wait_until_one_deadline() {
    let traffic = traffic(100_000);
    let answers = &traffic.serving.budgets.answers;
    let mut other = answers.try_charge(100_000).unwrap();
    let mut stream = begun(&traffic, message(20_000, 40_000).into()).await;
    timeout(ALMOST, stream.frame()).await.unwrap_err();
    other.shrink(20_000);
    read(&mut stream, 20_000).await;
    let began = Instant::now();
    let over = stream.collect().await.unwrap_err();
    assert!(over.is::<OverBudget>());
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_next_message_waits_as_long_as_the_one_before() {
    let traffic = traffic(100_000);
    let answers = &traffic.serving.budgets.answers;
    let mut other = answers.try_charge(100_000).unwrap();
    let frames = [message(20_000, 10), message(20_000, 10)].concat();
    let mut stream = begun(&traffic, frames).await;
    for _ in 0..2 {
        timeout(ALMOST, stream.frame()).await.unwrap_err();
        other.shrink(20_000);
        read(&mut stream, 20_010).await;
        other.try_grow(20_000).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_wait_for_one_list_need_room_for_one_copy() {
    let traffic = traffic(100_000);
    let answers = &traffic.serving.budgets.answers;
    let list = Bytes::from(vec![7; 60_000]);
    let mut streams = [&list, &list].map(|list| begin(&traffic, push(list)).unwrap());
    let mut other = answers.try_charge(100_000).unwrap();
    for stream in &mut streams {
        stream.frame().await.unwrap().unwrap();
        timeout(PAUSE, stream.frame()).await.unwrap_err();
    }
    other.shrink(60_000);
    let [first, second] = &mut streams;
    let piece = first.frame().await.unwrap().unwrap();
    assert_eq!(answers.held(), 100_000, "there is no room for another copy");
    let next = timeout(2 * PAUSE, second.frame()).await;
    next.expect("the list is charged").unwrap().unwrap();
    assert_eq!((answers.held(), answers.refused()), (100_000, 2));
    drop(piece);
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_streams_that_wait_are_limited() {
    let mut serving = serving(100_000);
    serving.budgets.waiting = Budget::new("waiting", 100_000);
    let traffic = traffic_of(serving, Protocol::Http2);
    let budgets = &traffic.serving.budgets;
    let list = Bytes::from(vec![7; 60_000]);
    let other = budgets.answers.try_charge(100_000).unwrap();
    let mut waiting = [&list, &list].map(|list| begin(&traffic, push(list)).unwrap());
    for stream in &mut waiting {
        stream.frame().await.unwrap().unwrap();
        timeout(PAUSE, stream.frame()).await.unwrap_err();
    }
    assert_eq!(budgets.waiting.held(), 60_000, "they wait for one list");
    let began = Instant::now();
    let further = begin(&traffic, push(&Bytes::from(vec![7; 60_000]))).unwrap();
    let error = further.collect().await.unwrap_err();
    let over: &OverBudget = error.downcast_ref().unwrap();
    assert_eq!((over.budget, began.elapsed()), ("answers", Duration::ZERO));
    drop(other);
    for stream in &mut waiting {
        stream.frame().await.unwrap().unwrap();
    }
    assert_eq!(budgets.waiting.held(), 0);
}
