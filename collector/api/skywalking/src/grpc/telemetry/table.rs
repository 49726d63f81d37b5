//! The table of telemetry calls, from the protocol repository at `v6.6.0`, `v7.0.0`, `v8.3.0` and `v10.3.0`
//! (proto/docs/skywalking.md section 6.3).

use rollcall_domain::liveness::Signal::{self, JvmMetrics, Poll, Telemetry};

use super::sender::SenderFields;

/// A call whose messages are accepted, counted and dropped.
#[derive(Debug)]
pub(super) struct TelemetryCall {
    /// Its paths without the leading slash: one for each spelling of the service.
    pub(super) paths: &'static [&'static str],
    /// The fields of its messages that name the sender.
    pub(super) sender: SenderFields,
    /// The signal that a message records for its sender.
    pub(super) signal: Signal,
    /// The plural noun of its messages: the label in the metrics.
    pub(super) dropped: &'static str,
    pub(super) payload: Payload,
    /// Whether the request is a stream; otherwise it is one message.
    pub(super) is_streamed: bool,
    /// Whether 3.x and 5.x agents make the call. They are sent retryable failures, so that they try another collector.
    pub(super) is_of_5x: bool,
}

/// The type of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// `UpstreamSegment`s of 3.x and 5.x.
    Upstream,
    /// `SegmentObject`s of 8.x and later, or `UpstreamSegment`s of 6.x and 7.0.
    Segments,
    /// Events, by which a Java agent announces its start and its stop.
    Events,
    Other,
}

/// Messages without any name or id of an instance.
const ANONYMOUS: SenderFields = SenderFields {
    within: None,
    names: None,
    id: None,
};

/// Messages of 8.x and later that name the sender themselves.
const fn at(service: u32, instance: u32) -> SenderFields {
    SenderFields {
        names: Some((service, instance)),
        ..ANONYMOUS
    }
}

/// Messages with nested messages that name the sender.
const fn within(field: u32, service: u32, instance: u32) -> SenderFields {
    SenderFields {
        within: Some(field),
        ..at(service, instance)
    }
}

/// Messages of 8.x and later, which name the sender. In 6.x and 7.0 the messages of the same call have the instance's id instead.
const fn at_or_id(service: u32, instance: u32, id: u32) -> SenderFields {
    SenderFields {
        id: Some(id),
        ..at(service, instance)
    }
}

/// Messages of 3.x and 5.x, with the instance's id.
const fn id(instance: u32) -> SenderFields {
    SenderFields {
        id: Some(instance),
        ..ANONYMOUS
    }
}

/// The spelling of 6.x to 8.3, and the later one.
macro_rules! both {
    ($path:literal) => {
        &[$path, concat!("skywalking.v3.", $path)]
    };
}

/// The spelling since 8.4.
macro_rules! v3 {
    ($path:literal) => {
        &[concat!("skywalking.v3.", $path)]
    };
}

macro_rules! v10 {
    ($path:literal) => {
        &[concat!("skywalking.v10.", $path)]
    };
}

const fn row(
    paths: &'static [&'static str],
    sender: SenderFields,
    signal: Signal,
    dropped: &'static str,
) -> TelemetryCall {
    TelemetryCall {
        paths,
        sender,
        signal,
        dropped,
        payload: Payload::Other,
        is_streamed: false,
        is_of_5x: false,
    }
}

const fn events(paths: &'static [&'static str], sender: SenderFields) -> TelemetryCall {
    TelemetryCall {
        payload: Payload::Events,
        ..row(paths, sender, Telemetry, "events")
    }
}

const fn segments(paths: &'static [&'static str], sender: SenderFields) -> TelemetryCall {
    TelemetryCall {
        paths,
        sender,
        signal: Signal::TraceSegment,
        dropped: "segments",
        payload: Payload::Segments,
        is_streamed: false,
        is_of_5x: false,
    }
}

const fn of_5x(mut call: TelemetryCall) -> TelemetryCall {
    call.is_of_5x = true;
    call
}

/// Messages with nested segments; the messages themselves are not read for a sender.
const fn upstream(paths: &'static [&'static str]) -> TelemetryCall {
    let mut call = segments(paths, ANONYMOUS);
    call.payload = Payload::Upstream;
    call
}

const fn streamed(mut call: TelemetryCall) -> TelemetryCall {
    call.is_streamed = true;
    call
}

#[rustfmt::skip]
pub(super) const CALLS: &[TelemetryCall] = &[
    of_5x(streamed(upstream(&["TraceSegmentService/collect"]))),
    of_5x(row(&["JVMMetricsService/collect"], id(2), JvmMetrics, "jvm_metrics")),
    streamed(segments(both!("TraceSegmentReportService/collect"), at(4, 5))),
    segments(both!("TraceSegmentReportService/collectInSync"), within(1, 4, 5)),
    row(both!("JVMMetricReportService/collect"), at_or_id(2, 3, 2), JvmMetrics, "jvm_metrics"),
    row(both!("CLRMetricReportService/collect"), at_or_id(2, 3, 2), Telemetry, "clr_metrics"),
    streamed(row(both!("MeterReportService/collect"), at(3, 4), Telemetry, "meters")),
    streamed(row(v3!("MeterReportService/collectBatch"), within(1, 3, 4), Telemetry, "meters")),
    streamed(row(v3!("LogReportService/collect"), at(2, 3), Telemetry, "logs")),
    streamed(events(v3!("EventService/collect"), within(2, 1, 2))),
    row(both!("ProfileTask/getProfileTaskCommands"), at_or_id(1, 2, 2), Poll, "polls"),
    streamed(row(both!("ProfileTask/collectSnapshot"), ANONYMOUS, Telemetry, "profiles")),
    row(both!("ProfileTask/reportTaskFinish"), at_or_id(1, 2, 2), Telemetry, "profiles"),
    streamed(row(v3!("ProfileTask/goProfileReport"), ANONYMOUS, Telemetry, "profiles")),
    row(v10!("AsyncProfilerTask/getAsyncProfilerTaskCommands"), at(1, 2), Poll, "polls"),
    streamed(row(v10!("AsyncProfilerTask/collect"), within(1, 1, 2), Telemetry, "profiles")),
    row(v10!("PprofTask/getPprofTaskCommands"), at(1, 2), Poll, "polls"),
    streamed(row(v10!("PprofTask/collect"), within(1, 1, 2), Telemetry, "profiles")),
    row(v3!("ConfigurationDiscoveryService/fetchConfigurations"), ANONYMOUS, Poll, "polls"),
    row(both!("BrowserPerfService/collectPerfData"), ANONYMOUS, Telemetry, "browser_reports"),
    streamed(row(both!("BrowserPerfService/collectErrorLogs"), ANONYMOUS, Telemetry, "browser_reports")),
    row(v3!("BrowserPerfService/collectWebVitalsPerfData"), ANONYMOUS, Telemetry, "browser_reports"),
    streamed(row(v3!("BrowserPerfService/collectResourcePerfData"), ANONYMOUS, Telemetry, "browser_reports")),
    streamed(row(v3!("BrowserPerfService/collectWebInteractionsPerfData"), ANONYMOUS, Telemetry, "browser_reports")),
    streamed(row(both!("ServiceMeshMetricService/collect"), ANONYMOUS, Telemetry, "mesh_metrics")),
];
