//! The calls, after the protocol repository at `v6.6.0`, `v7.0.0`, `v8.3.0` and `v10.3.0` (proto/docs/skywalking.md
//! section 6.3).

use rollcall_domain::liveness::Signal::{self, JvmMetrics, Poll, Telemetry};

use super::sender::Place;

/// A call that is taken, counted and dropped.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Its paths, without the slash in front: one for each spelling of the service.
    pub(super) paths: &'static [&'static str],
    /// Where its messages name who sent them.
    pub(super) sender: Place,
    /// What it proves of the sender.
    pub(super) signal: Signal,
    /// What it carries, in the plural: how it is counted.
    pub(super) dropped: &'static str,
    pub(super) payload: Payload,
    /// Whether it is a stream of messages; otherwise it is one.
    pub(super) is_streamed: bool,
    /// Whether its agents are of 3.x or 5.x. A failure that may pass is reported to them, so that they try another collector.
    pub(super) is_of_5x: bool,
}

/// What messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// `UpstreamSegment`s of 3.x and 5.x.
    Upstream,
    /// `SegmentObject`s of 8.x and later, or `UpstreamSegment`s of 6.x and 7.0.
    Segments,
    /// One of them is the goodbye of a Java agent.
    Events,
    Other,
}

/// Messages that name nobody whom an instance could be told by.
const NOBODY: Place = Place {
    within: None,
    names: None,
    id: None,
};

/// Messages of 8.x and later.
const fn at(service: u32, instance: u32) -> Place {
    Place {
        names: Some((service, instance)),
        ..NOBODY
    }
}

/// Messages that hold others, which name the sender.
const fn within(field: u32, service: u32, instance: u32) -> Place {
    Place {
        within: Some(field),
        ..at(service, instance)
    }
}

/// Messages of 8.x and later, and those of the same call that have the instance's id in 6.x and 7.0.
const fn at_or_id(service: u32, instance: u32, id: u32) -> Place {
    Place {
        id: Some(id),
        ..at(service, instance)
    }
}

/// Messages of 3.x and 5.x.
const fn id(instance: u32) -> Place {
    Place {
        id: Some(instance),
        ..NOBODY
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

const fn quiet(
    paths: &'static [&'static str],
    sender: Place,
    signal: Signal,
    dropped: &'static str,
) -> Quiet {
    Quiet {
        paths,
        sender,
        signal,
        dropped,
        payload: Payload::Other,
        is_streamed: false,
        is_of_5x: false,
    }
}

const fn events(paths: &'static [&'static str], sender: Place) -> Quiet {
    Quiet {
        payload: Payload::Events,
        ..quiet(paths, sender, Telemetry, "events")
    }
}

const fn segments(paths: &'static [&'static str], sender: Place) -> Quiet {
    Quiet {
        paths,
        sender,
        signal: Signal::TraceSegment,
        dropped: "segments",
        payload: Payload::Segments,
        is_streamed: false,
        is_of_5x: false,
    }
}

const fn of_5x(mut call: Quiet) -> Quiet {
    call.is_of_5x = true;
    call
}

/// Segments inside messages that are not looked at for a sender themselves.
const fn upstream(paths: &'static [&'static str]) -> Quiet {
    let mut call = segments(paths, NOBODY);
    call.payload = Payload::Upstream;
    call
}

const fn streamed(mut call: Quiet) -> Quiet {
    call.is_streamed = true;
    call
}

#[rustfmt::skip]
pub(super) const CALLS: &[Quiet] = &[
    of_5x(streamed(upstream(&["TraceSegmentService/collect"]))),
    of_5x(quiet(&["JVMMetricsService/collect"], id(2), JvmMetrics, "jvm_metrics")),
    streamed(segments(both!("TraceSegmentReportService/collect"), at(4, 5))),
    segments(both!("TraceSegmentReportService/collectInSync"), within(1, 4, 5)),
    quiet(both!("JVMMetricReportService/collect"), at_or_id(2, 3, 2), JvmMetrics, "jvm_metrics"),
    quiet(both!("CLRMetricReportService/collect"), at_or_id(2, 3, 2), Telemetry, "clr_metrics"),
    streamed(quiet(both!("MeterReportService/collect"), at(3, 4), Telemetry, "meters")),
    streamed(quiet(v3!("MeterReportService/collectBatch"), within(1, 3, 4), Telemetry, "meters")),
    streamed(quiet(v3!("LogReportService/collect"), at(2, 3), Telemetry, "logs")),
    streamed(events(v3!("EventService/collect"), within(2, 1, 2))),
    quiet(both!("ProfileTask/getProfileTaskCommands"), at_or_id(1, 2, 2), Poll, "polls"),
    streamed(quiet(both!("ProfileTask/collectSnapshot"), NOBODY, Telemetry, "profiles")),
    quiet(both!("ProfileTask/reportTaskFinish"), at_or_id(1, 2, 2), Telemetry, "profiles"),
    streamed(quiet(v3!("ProfileTask/goProfileReport"), NOBODY, Telemetry, "profiles")),
    quiet(v10!("AsyncProfilerTask/getAsyncProfilerTaskCommands"), at(1, 2), Poll, "polls"),
    streamed(quiet(v10!("AsyncProfilerTask/collect"), within(1, 1, 2), Telemetry, "profiles")),
    quiet(v10!("PprofTask/getPprofTaskCommands"), at(1, 2), Poll, "polls"),
    streamed(quiet(v10!("PprofTask/collect"), within(1, 1, 2), Telemetry, "profiles")),
    quiet(v3!("ConfigurationDiscoveryService/fetchConfigurations"), NOBODY, Poll, "polls"),
    quiet(both!("BrowserPerfService/collectPerfData"), NOBODY, Telemetry, "browser_reports"),
    streamed(quiet(both!("BrowserPerfService/collectErrorLogs"), NOBODY, Telemetry, "browser_reports")),
    quiet(v3!("BrowserPerfService/collectWebVitalsPerfData"), NOBODY, Telemetry, "browser_reports"),
    streamed(quiet(v3!("BrowserPerfService/collectResourcePerfData"), NOBODY, Telemetry, "browser_reports")),
    streamed(quiet(v3!("BrowserPerfService/collectWebInteractionsPerfData"), NOBODY, Telemetry, "browser_reports")),
    streamed(quiet(both!("ServiceMeshMetricService/collect"), NOBODY, Telemetry, "mesh_metrics")),
];
