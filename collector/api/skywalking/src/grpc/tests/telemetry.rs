//! The other calls of agents of 6.x and later.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::StreamBody;
use rollcall_domain::{InstanceId, liveness::Signal};
use rollcall_proto::management::{InstancePingPkg, v3::ManagementServiceClient};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::fixture::{self, Collector, MAX_MESSAGE_SIZE, frame};

/// Sends messages as one request. Returns the status of the call and the bytes of the answer.
async fn call(
    collector: &Collector,
    path: &str,
    messages: &[&[u8]],
    version: &str,
) -> (Code, Bytes) {
    let version = [("agent-version", version)];
    let headers = if version[0].1.is_empty() {
        &[][..]
    } else {
        &version
    };
    let body: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
    fixture::call(collector.router(), path, headers, body).await
}

/// OK with one empty message.
fn ok_and_empty() -> (Code, Bytes) {
    (Code::Ok, frame(b"").into())
}

fn id(raw: i32) -> InstanceId {
    InstanceId::new(raw).unwrap()
}

/// Registers `orders`/`one` as instance 1.
async fn register(collector: &Collector) {
    let ping = InstancePingPkg {
        service: "orders".to_owned(),
        service_instance: "one".to_owned(),
    };
    let mut client = ManagementServiceClient::new(collector.router());
    client.keep_alive(ping).await.unwrap();
}

/// The table of proto/docs/skywalking.md section 6.3, with messages that an agent sends.
const OF_8X: &[(&str, &[u8], Option<Signal>)] = &[
    (
        "TraceSegmentReportService/collect",
        b"\x0a\x01t\x12\x01s\x22\x06orders\x2a\x03one",
        Some(Signal::TraceSegment),
    ),
    (
        "TraceSegmentReportService/collectInSync",
        b"\x0a\x0d\x22\x06orders\x2a\x03one",
        Some(Signal::TraceSegment),
    ),
    (
        "JVMMetricReportService/collect",
        b"\x0a\x00\x12\x06orders\x1a\x03one",
        Some(Signal::JvmMetrics),
    ),
    (
        "CLRMetricReportService/collect",
        b"\x0a\x00\x12\x06orders\x1a\x03one",
        Some(Signal::Telemetry),
    ),
    (
        "MeterReportService/collect",
        b"\x0a\x00\x1a\x06orders\x22\x03one",
        Some(Signal::Telemetry),
    ),
    (
        "ProfileTask/getProfileTaskCommands",
        b"\x0a\x06orders\x12\x03one",
        Some(Signal::Poll),
    ),
    ("ProfileTask/collectSnapshot", b"\x0a\x04task", None),
    (
        "ProfileTask/reportTaskFinish",
        b"\x0a\x06orders\x12\x03one",
        Some(Signal::Telemetry),
    ),
    (
        "BrowserPerfService/collectPerfData",
        b"\x0a\x06orders",
        None,
    ),
    (
        "BrowserPerfService/collectErrorLogs",
        b"\x12\x06orders",
        None,
    ),
    ("ServiceMeshMetricService/collect", b"", None),
];

const SINCE_8_4: &[(&str, &[u8], Option<Signal>)] = &[
    (
        "v3.MeterReportService/collectBatch",
        b"\x0a\x0d\x1a\x06orders\x22\x03one",
        Some(Signal::Telemetry),
    ),
    (
        "v3.LogReportService/collect",
        b"\x12\x06orders\x1a\x03one",
        Some(Signal::Telemetry),
    ),
    (
        "v3.EventService/collect",
        b"\x0a\x01u\x12\x0d\x0a\x06orders\x12\x03one\x1a\x05Start",
        Some(Signal::Telemetry),
    ),
    (
        "v3.ConfigurationDiscoveryService/fetchConfigurations",
        b"\x0a\x06orders\x12\x01u",
        None,
    ),
    ("v3.ProfileTask/goProfileReport", b"\x0a\x04task", None),
    (
        "v3.BrowserPerfService/collectWebVitalsPerfData",
        b"\x0a\x06orders",
        None,
    ),
    (
        "v3.BrowserPerfService/collectResourcePerfData",
        b"\x0a\x06orders",
        None,
    ),
    (
        "v3.BrowserPerfService/collectWebInteractionsPerfData",
        b"\x0a\x06orders",
        None,
    ),
    (
        "v10.AsyncProfilerTask/getAsyncProfilerTaskCommands",
        b"\x0a\x06orders\x12\x03one",
        Some(Signal::Poll),
    ),
    (
        "v10.AsyncProfilerTask/collect",
        b"\x0a\x0d\x0a\x06orders\x12\x03one",
        Some(Signal::Telemetry),
    ),
    (
        "v10.PprofTask/getPprofTaskCommands",
        b"\x0a\x06orders\x12\x03one",
        Some(Signal::Poll),
    ),
    (
        "v10.PprofTask/collect",
        b"\x0a\x0d\x0a\x06orders\x12\x03one",
        Some(Signal::Telemetry),
    ),
];

/// The first instance of agents that use no ids.
const FIRST: i32 = i32::MIN + 1;

#[tokio::test]
async fn every_call_succeeds_and_renews_the_instance_that_it_names() {
    let both = OF_8X.iter().flat_map(|(call, message, signal)| {
        let paths = [format!("/{call}"), format!("/skywalking.v3.{call}")];
        paths.map(|path| (path, *message, *signal))
    });
    let later = SINCE_8_4
        .iter()
        .map(|(call, message, signal)| (format!("/skywalking.{call}"), *message, *signal));
    for (path, message, signal) in both.chain(later) {
        let collector = Collector::start();
        register(&collector).await;
        assert_eq!(
            call(&collector, &path, &[message, b""], "9.4.0").await,
            ok_and_empty(),
            "{path}"
        );
        let renewed = collector
            .services
            .roster
            .instance(id(FIRST))
            .unwrap()
            .signal;
        assert_eq!(renewed, signal.unwrap_or(Signal::Register), "{path}");
        assert!(
            collector.services.roster.instance(id(FIRST + 1)).is_none(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_request_without_messages_or_with_garbage_succeeds() {
    let collector = Collector::start();
    for path in [
        "/MeterReportService/collect",
        "/TraceSegmentReportService/collect",
    ] {
        assert_eq!(call(&collector, path, &[], "").await, ok_and_empty());
        assert_eq!(
            call(&collector, path, &[b"\xff\xff", b"\x12\xff"], "").await,
            ok_and_empty()
        );
    }
    assert!(
        collector
            .services
            .roster
            .applications(None, 10)
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn a_segment_registers_its_sender_and_other_telemetry_does_not() {
    let collector = Collector::start();
    let metrics = b"\x12\x06orders\x1a\x03one";
    call(
        &collector,
        "/skywalking.v3.JVMMetricReportService/collect",
        &[metrics],
        "",
    )
    .await;
    assert!(collector.services.roster.instance(id(FIRST)).is_none());
    let segment = b"\x0a\x01t\x12\x01s\x22\x06orders\x2a\x03one";
    call(
        &collector,
        "/skywalking.v3.TraceSegmentReportService/collect",
        &[segment],
        "",
    )
    .await;
    let registered = collector
        .services
        .roster
        .instance(id(FIRST))
        .unwrap()
        .instance;
    assert_eq!(registered.uuid.as_deref(), Some("one"));
}

/// From instance 7 of service 2, in the form of 6.x with the segment nested.
const SEGMENT_OF_6X: &[u8] = b"\x0a\x03\x0a\x01\x01\x12\x06\x12\x00\x18\x02\x20\x07";
const METRICS_OF_6X: &[u8] = b"\x0a\x00\x10\x07";
const POLL_OF_7_0: &[u8] = b"\x08\x02\x10\x07";

#[tokio::test]
async fn an_unknown_id_is_adopted_unless_its_agent_will_drop_it() {
    for (path, message) in [
        ("/TraceSegmentReportService/collect", SEGMENT_OF_6X),
        ("/JVMMetricReportService/collect", METRICS_OF_6X),
        ("/ProfileTask/getProfileTaskCommands", POLL_OF_7_0),
    ] {
        let collector = Collector::start();
        assert_eq!(
            call(&collector, path, &[message], "7.0.0").await,
            ok_and_empty()
        );
        assert!(
            collector.services.roster.instance(id(7)).is_none(),
            "{path}"
        );
        assert_eq!(call(&collector, path, &[message], "").await, ok_and_empty());
        let adopted = collector.services.roster.instance(id(7));
        assert!(adopted.unwrap().instance.adopted, "{path}");
        assert_eq!(
            call(&collector, path, &[message], "7.0.0").await,
            ok_and_empty()
        );
    }
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused() {
    let collector = Collector::start();
    let message = vec![0; MAX_MESSAGE_SIZE + 1];
    let path = "/skywalking.v3.LogReportService/collect";
    let (status, _) = call(&collector, path, &[&message], "").await;
    assert_eq!(status, Code::OutOfRange);
}

#[tokio::test]
async fn a_stream_that_is_held_open_is_answered_when_the_collector_stops() {
    let collector = Collector::start();
    let stop = CancellationToken::new();
    let router = collector.router_with(None, stop.clone());
    let held = Body::new(StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<Bytes>, std::io::Error>,
    >()));
    let path = "/skywalking.v3.TraceSegmentReportService/collect";
    let mut answer = std::pin::pin!(fixture::call(router, path, &[], held));
    let early = futures_util::poll!(answer.as_mut());
    assert!(early.is_pending(), "{early:?}");
    stop.cancel();
    assert_eq!(answer.await, ok_and_empty());
}
