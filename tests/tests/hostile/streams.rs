//! Requests that are begun and not finished.

use std::time::Duration;

use rollcall_tests::process::Collector;
use tonic::Code;

use crate::peer::{Call, message};

const REGISTER: &str = "/ApplicationRegisterService/register";
const COLLECT: &str = "/TraceSegmentService/collect";

#[tokio::test]
async fn a_half_sent_request_is_answered_when_its_time_is_up() {
    let options = Collector::options().env("SW_SERVER_READ_TIMEOUT", "1s");
    let collector = options.start().await;
    let server = collector.listeners().grpc;
    let half_sent = Call::begin(server, REGISTER, &[]).await;
    half_sent.send(&message(b"\x0a\x01a")[..6]);
    let streamed = Call::begin(server, COLLECT, &[]).await;
    streamed.send(&message(b"")[..3]);
    let not_begun = Call::begin(server, REGISTER, &[]).await;
    for call in [half_sent, streamed, not_begun] {
        let (code, message) = call.status().await;
        assert_eq!(code, Code::DeadlineExceeded, "{message}");
    }
}

#[tokio::test]
async fn a_stream_may_be_idle_between_whole_messages() {
    let options = Collector::options().env("SW_SERVER_READ_TIMEOUT", "200ms");
    let collector = options.start().await;
    let server = collector.listeners().grpc;
    let begun = Call::begin(server, COLLECT, &[]).await;
    begun.send(&message(b""));
    let silent = Call::begin(server, COLLECT, &[]).await;
    // Longer than the limit of any call that is no stream.
    let unary = Call::begin(server, REGISTER, &[]).await.status().await;
    assert_eq!(unary.0, Code::DeadlineExceeded);
    tokio::time::sleep(Duration::from_millis(400)).await;
    for stream in [begun, silent] {
        assert!(!stream.is_answered());
        stream.send(&message(b""));
        assert_eq!(stream.end().await.0, Code::Ok);
    }
}

#[tokio::test]
async fn a_call_is_given_up_when_its_callers_deadline_has_passed() {
    let collector = Collector::start().await;
    let server = collector.listeners().grpc;
    for path in [REGISTER, COLLECT] {
        let call = Call::begin(server, path, &[("grpc-timeout", "200m")]).await;
        let (code, message) = call.status().await;
        assert_eq!(code, Code::DeadlineExceeded, "{message}");
    }
}
