//! The measured scenarios.

use rollcall_tests::bench::registration::{
    self,
    Call::{Heartbeat, KnownApplication, KnownInstance, NewApplication, NewInstance},
};

/// A load for the collector and for a bare server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// The name in the report.
    pub(crate) name: &'static str,
    /// The call that every caller repeats.
    pub(crate) call: Call,
    /// The number of callers. Each waits for its reply before the next call.
    pub(crate) callers: usize,
    /// The number of their connections. `h2` guards an HTTP/2 connection with one mutex, so a single connection would be the
    /// bottleneck.
    pub(crate) connections: usize,
    /// The largest allowed ratio.
    pub(crate) target: f64,
}

/// One kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    /// `GET /agent/gRPC`.
    Naming,
    /// A call over gRPC.
    Grpc(registration::Call),
}

/// All scenarios. The last two need hundreds of callers to fill the batches of the collector's writer.
pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "naming GET",
        call: Call::Naming,
        callers: 32,
        connections: 32,
        target: 1.2,
    },
    Scenario {
        name: "register a known application",
        call: Call::Grpc(KnownApplication),
        callers: 64,
        connections: 8,
        target: 1.3,
    },
    Scenario {
        name: "register a known instance",
        call: Call::Grpc(KnownInstance),
        callers: 64,
        connections: 8,
        target: 1.3,
    },
    Scenario {
        name: "heartbeat",
        call: Call::Grpc(Heartbeat),
        callers: 64,
        connections: 8,
        target: 1.3,
    },
    Scenario {
        name: "register a new application, durably",
        call: Call::Grpc(NewApplication),
        callers: 512,
        connections: 8,
        target: 2.0,
    },
    Scenario {
        name: "register a new instance, durably",
        call: Call::Grpc(NewInstance),
        callers: 512,
        connections: 8,
        target: 2.0,
    },
];
