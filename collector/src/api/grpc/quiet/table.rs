//! The calls, after the protocol repository at `v6.6.0`, `v7.0.0`, `v8.3.0` and `v10.3.0` (protocols/skywalking.md
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
}

/// Whether messages are trace segments, which need more than to be looked at for a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Segments,
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

/// The segment that a 6.x and 7.0 `UpstreamSegment` carries: 3 is the service's id, 4 the instance's.
pub(super) const SEGMENT_OF_6X: Place = Place {
    id: Some(4),
    ..NOBODY
};

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
    }
}

const fn segments(paths: &'static [&'static str], sender: Place) -> Quiet {
    Quiet {
        paths,
        sender,
        signal: Signal::TraceSegment,
        dropped: "segments",
        payload: Payload::Segments,
    }
}

#[rustfmt::skip]
pub(super) const CALLS: &[Quiet] = &[
    segments(both!("TraceSegmentReportService/collect"), at(4, 5)),
    segments(both!("TraceSegmentReportService/collectInSync"), within(1, 4, 5)),
    quiet(both!("JVMMetricReportService/collect"), at_or_id(2, 3, 2), JvmMetrics, "jvm_metrics"),
    quiet(both!("CLRMetricReportService/collect"), at_or_id(2, 3, 2), Telemetry, "clr_metrics"),
    quiet(both!("MeterReportService/collect"), at(3, 4), Telemetry, "meters"),
    quiet(v3!("MeterReportService/collectBatch"), within(1, 3, 4), Telemetry, "meters"),
    quiet(v3!("LogReportService/collect"), at(2, 3), Telemetry, "logs"),
    quiet(v3!("EventService/collect"), within(2, 1, 2), Telemetry, "events"),
    quiet(both!("ProfileTask/getProfileTaskCommands"), at_or_id(1, 2, 2), Poll, "polls"),
    quiet(both!("ProfileTask/collectSnapshot"), NOBODY, Telemetry, "profiles"),
    quiet(both!("ProfileTask/reportTaskFinish"), at_or_id(1, 2, 2), Telemetry, "profiles"),
    quiet(v3!("ProfileTask/goProfileReport"), NOBODY, Telemetry, "profiles"),
    quiet(v10!("AsyncProfilerTask/getAsyncProfilerTaskCommands"), at(1, 2), Poll, "polls"),
    quiet(v10!("AsyncProfilerTask/collect"), within(1, 1, 2), Telemetry, "profiles"),
    quiet(v10!("PprofTask/getPprofTaskCommands"), at(1, 2), Poll, "polls"),
    quiet(v10!("PprofTask/collect"), within(1, 1, 2), Telemetry, "profiles"),
    quiet(v3!("ConfigurationDiscoveryService/fetchConfigurations"), NOBODY, Poll, "polls"),
    quiet(both!("BrowserPerfService/collectPerfData"), NOBODY, Telemetry, "browser_reports"),
    quiet(both!("BrowserPerfService/collectErrorLogs"), NOBODY, Telemetry, "browser_reports"),
    quiet(v3!("BrowserPerfService/collectWebVitalsPerfData"), NOBODY, Telemetry, "browser_reports"),
    quiet(v3!("BrowserPerfService/collectResourcePerfData"), NOBODY, Telemetry, "browser_reports"),
    quiet(v3!("BrowserPerfService/collectWebInteractionsPerfData"), NOBODY, Telemetry, "browser_reports"),
    quiet(both!("ServiceMeshMetricService/collect"), NOBODY, Telemetry, "mesh_metrics"),
];
