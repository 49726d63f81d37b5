//! The measured scenarios.

use rollcall_tests::bench::registration::{
    self,
    Call::{Heartbeat, JvmMetrics, KnownApplication, KnownInstance, NewApplication, NewInstance},
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
    /// The largest ratio that meets the goal.
    pub(crate) goal: f64,
}

/// One kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    /// `GET /agent/gRPC`.
    Naming,
    /// A call over gRPC.
    Grpc(registration::Call),
}

impl Scenario {
    /// Whether each call waits for a commit. The delay of such a call is measured too.
    pub(crate) const fn is_durable(&self) -> bool {
        matches!(self.call, Call::Grpc(NewApplication | NewInstance))
    }
}

/// All scenarios. The last two need hundreds of callers to fill the batches of the collector's writer.
pub(crate) const SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "naming GET",
        call: Call::Naming,
        callers: 32,
        connections: 32,
        goal: 1.05,
    },
    Scenario {
        name: "register a known application",
        call: Call::Grpc(KnownApplication),
        callers: 64,
        connections: 8,
        goal: 1.0,
    },
    Scenario {
        name: "register a known instance",
        call: Call::Grpc(KnownInstance),
        callers: 64,
        connections: 8,
        goal: 1.0,
    },
    Scenario {
        name: "heartbeat",
        call: Call::Grpc(Heartbeat),
        callers: 64,
        connections: 8,
        goal: 1.0,
    },
    Scenario {
        name: "JVM metrics",
        call: Call::Grpc(JvmMetrics),
        callers: 64,
        connections: 8,
        goal: 1.2,
    },
    Scenario {
        name: "register a new application, durably",
        call: Call::Grpc(NewApplication),
        callers: 512,
        connections: 8,
        goal: 1.3,
    },
    Scenario {
        name: "register a new instance, durably",
        call: Call::Grpc(NewInstance),
        callers: 512,
        connections: 8,
        goal: 1.3,
    },
];
