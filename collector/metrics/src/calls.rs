//! Counters of calls, and of requests refused before a use case saw them.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The protocol of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP with JSON.
    Http,
}

/// The result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered successfully.
    Ok,
    /// Malformed or not allowed: a client's error.
    Invalid,
    /// Answered without an id, because none was assigned by the deadline.
    Unassigned,
    /// Refused because a limit was reached.
    Overloaded,
    /// The client closed the connection before its request was complete.
    BrokenOff,
    /// Failed because of this collector.
    Failed,
}

/// The counters of one call, resolved once so that counting is one atomic addition.
#[derive(Clone, Debug)]
pub struct Call {
    ok: Counter,
    invalid: Counter,
    unassigned: Counter,
    overloaded: Counter,
    broken_off: Counter,
    failed: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    protocol: &'static str,
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// The families of this file.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: Family<CallLabels, Counter>,
    denied: Family<ProtocolLabel, Counter>,
    requests_refused: Family<ReasonLabel, Counter>,
}

impl Calls {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "calls",
            "Calls by protocol, name and outcome",
            self.calls.clone(),
        );
        registry.register(
            "denied",
            "Calls refused because the token was missing or wrong",
            self.denied.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests refused by reason: framing (RFC 9112), origin (a foreign web page), host (a foreign name), authorization (no \
             valid credential for the admin listener)",
            self.requests_refused.clone(),
        );
    }

    pub(crate) fn call(&self, protocol: Protocol, call: &'static str) -> Call {
        let counter = |outcome: Outcome| {
            let (protocol, outcome) = (protocol.label(), outcome.label());
            let labels = CallLabels {
                protocol,
                call,
                outcome,
            };
            self.calls.get_or_create_owned(&labels)
        };
        Call {
            ok: counter(Outcome::Ok),
            invalid: counter(Outcome::Invalid),
            unassigned: counter(Outcome::Unassigned),
            overloaded: counter(Outcome::Overloaded),
            broken_off: counter(Outcome::BrokenOff),
            failed: counter(Outcome::Failed),
        }
    }

    pub(crate) fn denied(&self, protocol: Protocol) -> Counter {
        let protocol = protocol.label();
        self.denied.get_or_create_owned(&ProtocolLabel { protocol })
    }

    pub(crate) fn refused(&self, reason: &'static str) -> Counter {
        self.requests_refused
            .get_or_create_owned(&ReasonLabel { reason })
    }
}

impl Protocol {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

impl Outcome {
    /// All outcomes, in the order of [`Outcome::index`].
    pub(crate) const ALL: [Self; 6] = [
        Self::Ok,
        Self::Invalid,
        Self::Unassigned,
        Self::Overloaded,
        Self::BrokenOff,
        Self::Failed,
    ];

    /// The place of this outcome in [`Outcome::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Invalid => 1,
            Self::Unassigned => 2,
            Self::Overloaded => 3,
            Self::BrokenOff => 4,
            Self::Failed => 5,
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Unassigned => "unassigned",
            Self::Overloaded => "overloaded",
            Self::BrokenOff => "broken_off",
            Self::Failed => "failed",
        }
    }
}

impl Call {
    /// Counts one call with this outcome.
    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => &self.ok,
            Outcome::Invalid => &self.invalid,
            Outcome::Unassigned => &self.unassigned,
            Outcome::Overloaded => &self.overloaded,
            Outcome::BrokenOff => &self.broken_off,
            Outcome::Failed => &self.failed,
        }
        .inc();
    }
}
