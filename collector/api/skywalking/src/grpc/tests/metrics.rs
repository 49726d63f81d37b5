//! The metrics of a call: its outcome, which the status does not always show, and the time since its request was complete.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{
    fixture::{call, frame},
    *,
};

const APPLICATION: &str = "ApplicationRegisterService/register";

/// The calls with this outcome, and the calls of agents up to 5.x whose time was counted with it.
fn counted(collector: &Collector, path: &str, outcome: &str) -> (u64, u64) {
    let written = collector.services.exposition();
    let value = |line: String| {
        let found = written.lines().find_map(|it| it.strip_prefix(&line));
        found.map_or(0, |value| value.trim().parse().unwrap())
    };
    let calls =
        format!("rollcall_calls_total{{protocol=\"grpc\",call=\"{path}\",outcome=\"{outcome}\"}}");
    let times = format!("rollcall_call_seconds_count{{generation=\"3-5\",outcome=\"{outcome}\"}}");
    (value(calls), value(times))
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_id_is_unassigned_in_both_metrics() {
    let collector = Collector::stalled();
    for (path, message) in [
        (APPLICATION, codes(["a"]).encode_to_vec()),
        (
            "ApplicationRegisterService/applicationCodeRegister",
            codes(["a"]).encode_to_vec(),
        ),
        (
            "InstanceDiscoveryService/register",
            instance(-3, "u").encode_to_vec(),
        ),
    ] {
        let (_, before) = counted(&collector, path, "unassigned");
        let path_ = format!("/{path}");
        call(collector.router(), &path_, &[], frame(&message)).await;
        let after = counted(&collector, path, "unassigned");
        assert_eq!(after, (1, before + 1), "{path}");
    }
}

#[tokio::test]
async fn a_message_that_no_handler_gets_is_counted() {
    let collector = Collector::start();
    let path = format!("/{APPLICATION}");
    call(collector.router(), &path, &[], frame(b"garbage")).await;
    assert_eq!(counted(&collector, APPLICATION, "invalid"), (1, 1));
    let encoding = [("grpc-encoding", "gzip")];
    call(collector.router(), &path, &encoding, frame(b"")).await;
    call(
        collector.router(),
        &path,
        &[],
        b"\0\xff\xff\xff\xff".to_vec(),
    )
    .await;
    let counts = counted(&collector, APPLICATION, "invalid");
    assert_eq!(counts, (3, 1), "only the first request was complete");

    let stream = "TraceSegmentService/collect";
    let path = format!("/{stream}");
    call(collector.router(), &path, &encoding, frame(b"")).await;
    assert_eq!(counted(&collector, stream, "invalid").0, 1);
}

#[tokio::test]
async fn a_heartbeat_of_an_internal_id_is_invalid_in_both_metrics() {
    let collector = Collector::start();
    let path = "InstanceDiscoveryService/heartbeat";
    let heartbeat = ApplicationInstanceHeartbeat {
        application_instance_id: i32::MIN + 1,
        ..ApplicationInstanceHeartbeat::default()
    };
    let message = frame(&heartbeat.encode_to_vec());
    call(collector.router(), &format!("/{path}"), &[], message).await;
    assert_eq!(counted(&collector, path, "invalid"), (1, 1));
}

/// The sum of the times of successful calls, in seconds.
fn seconds(collector: &Collector) -> f64 {
    let written = collector.services.exposition();
    let line = "rollcall_call_seconds_sum{generation=\"3-5\",outcome=\"ok\"} ";
    let found = written.lines().find_map(|it| it.strip_prefix(line));
    found.unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_time_of_a_call_begins_with_its_complete_request() {
    let collector = Collector::start();
    let path = format!("/{APPLICATION}");
    let message = frame(&codes(["a"]).encode_to_vec());
    call(collector.router(), &path, &[], message.clone()).await;
    let before = seconds(&collector);
    let (send, parts) = mpsc::unbounded_channel();
    let body = Body::new(StreamBody::new(UnboundedReceiverStream::new(parts)));
    let mut answer = std::pin::pin!(call(collector.router(), &path, &[], body));
    let early = futures_util::poll!(answer.as_mut());
    assert!(early.is_pending());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(100)).await;
    let part = Ok::<_, std::io::Error>(Frame::data(Bytes::from(message)));
    send.send(part).unwrap();
    drop(send);
    assert_eq!(answer.await.0, Code::Ok);
    assert!(
        seconds(&collector) - before < 100.0,
        "the wait for the body"
    );
}
