//! Why a connection ended: for metrics, logs and evidence.

use std::fmt;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::grpc) enum Reason {
    /// The client closed its stream or its connection in an orderly way.
    Client,
    /// The connection was not closed in an orderly way: the process ended, or the network failed.
    Broken,
    /// The client did not answer the probe.
    Silent,
    /// The client sent no set-up in time.
    NoSetup,
    /// The client sent bytes that are no message.
    Garbage,
    /// A limit kept the connection from being set up.
    Refused,
    /// The client opened another stream on the same connection.
    Replaced,
    /// This server stops.
    Stop,
}

impl Reason {
    /// Every reason.
    pub(in crate::grpc) const ALL: [Self; 8] = [
        Self::Client,
        Self::Broken,
        Self::Silent,
        Self::NoSetup,
        Self::Garbage,
        Self::Refused,
        Self::Replaced,
        Self::Stop,
    ];

    /// The label in metrics.
    pub(in crate::grpc) const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::NoSetup => "no_setup",
            Self::Garbage => "garbage",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
            Self::Stop => "stop",
        }
    }
}

/// For evidence and logs.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "the client closed its connection",
            Self::Broken => "the connection broke off",
            Self::Silent => "the client did not answer a detection request",
            Self::NoSetup => "the client sent no set-up in time",
            Self::Garbage => "the client sent bytes that are no message",
            Self::Refused => "a limit kept the connection from being set up",
            Self::Replaced => "the client opened another stream on the same connection",
            Self::Stop => "this server stops",
        })
    }
}
