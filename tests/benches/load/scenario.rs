//! What is measured.

/// A load that is put on the collector and on a bare server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// What every caller does, again and again.
    pub(crate) call: Call,
    /// How many callers there are; each waits for its reply before it calls again.
    pub(crate) callers: usize,
    /// How many connections they share. An HTTP/2 connection is one mutex in `h2`, so one would measure that.
    pub(crate) connections: usize,
    /// The ratio the issue asks for, at most.
    pub(crate) target: f64,
}

/// One kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    /// `GET /agent/gRPC`.
    Naming,
    /// `applicationCodeRegister` of the same code.
    KnownApplication,
    /// `registerInstance` of the same process.
    KnownInstance,
    /// `heartbeat` of the same instance.
    Heartbeat,
    /// `applicationCodeRegister` of a code that nobody has used before.
    NewApplication,
    /// `registerInstance` of a process that nobody has heard of before.
    NewInstance,
}

/// All of them. The hundreds of callers of the last two are what fills a batch of the collector's writer.
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
        call: Call::KnownApplication,
        callers: 64,
        connections: 8,
        target: 1.3,
    },
    Scenario {
        name: "register a known instance",
        call: Call::KnownInstance,
        callers: 64,
        connections: 8,
        target: 1.3,
    },
    Scenario {
        name: "heartbeat",
        call: Call::Heartbeat,
        callers: 64,
        connections: 8,
        target: 1.3,
    },
    Scenario {
        name: "register a new application, durably",
        call: Call::NewApplication,
        callers: 512,
        connections: 8,
        target: 2.0,
    },
    Scenario {
        name: "register a new instance, durably",
        call: Call::NewInstance,
        callers: 512,
        connections: 8,
        target: 2.0,
    },
];
