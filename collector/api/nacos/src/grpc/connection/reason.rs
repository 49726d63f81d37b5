//! Why a connection ended: for metrics, logs and evidence.

use std::fmt;

use rollcall_domain::catalog::ConnectionEnd;
use rollcall_link::Closing;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::grpc) enum Reason {
    /// The client closed its stream or its connection in an orderly way.
    Client,
    /// The transport ended while the stream was open, as when the operating system closes the connections of a killed process.
    Broken,
    /// The client's system or an intermediary reset the transport.
    Reset,
    /// The client did not answer the probe or an HTTP/2 ping.
    Silent,
    /// The client did not read its messages.
    Unread,
    /// The client exceeded a limit of the server's connections.
    OverLimit,
    /// The client sent no set-up in time.
    NoSetup,
    /// The client violated HTTP/2, or sent bytes that are not a message.
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
    pub(in crate::grpc) const ALL: [Self; 11] = [
        Self::Client,
        Self::Broken,
        Self::Reset,
        Self::Silent,
        Self::Unread,
        Self::OverLimit,
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
            Self::Reset => "reset",
            Self::Silent => "silent",
            Self::Unread => "unread",
            Self::OverLimit => "over_limit",
            Self::NoSetup => "no_setup",
            Self::Garbage => "garbage",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
            Self::Stop => "stop",
        }
    }

    /// The reason, for a connection that this server closes. `None` if it only requested that the client close it: the client has
    /// registered elsewhere, so its instances end here, in whatever way it leaves.
    pub(in crate::grpc) const fn of_closing(why: Closing) -> Option<Self> {
        Some(match why {
            Closing::Unanswered => Self::Silent,
            Closing::Unread => Self::Unread,
            Closing::OverLimit => Self::OverLimit,
            Closing::Violation => Self::Garbage,
            Closing::Requested => return None,
        })
    }

    /// The end that the events of the connection's instances carry.
    pub(in crate::grpc) const fn evidence(self) -> ConnectionEnd {
        match self {
            Self::Client => ConnectionEnd::Closed,
            Self::Broken => ConnectionEnd::Dropped,
            Self::Reset => ConnectionEnd::Reset,
            Self::Silent => ConnectionEnd::TimedOut,
            Self::Unread => ConnectionEnd::Unread,
            Self::OverLimit => ConnectionEnd::OverLimit,
            Self::Replaced => ConnectionEnd::Superseded,
            // The latter two end connections that are not set up, which have no instances.
            Self::Garbage | Self::NoSetup | Self::Refused => ConnectionEnd::Violation,
            Self::Stop => ConnectionEnd::CollectorStops,
        }
    }
}

/// For evidence and logs.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "the client closed its connection",
            Self::Broken => "the connection broke off",
            Self::Reset => "the connection was reset",
            Self::Silent => "the client did not answer a detection request or a ping",
            Self::Unread => "the client did not read its messages",
            Self::OverLimit => "the client exceeded a limit of connections",
            Self::NoSetup => "the client sent no set-up in time",
            Self::Garbage => "the client violated HTTP/2 or sent bytes that are not a message",
            Self::Refused => "a limit kept the connection from being set up",
            Self::Replaced => "the client opened another stream on the same connection",
            Self::Stop => "this server stops",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kept for the next run, its instances would be judged without beats, although it has registered them elsewhere.
    #[test]
    fn a_client_that_leaves_because_a_stop_requested_it_ends_its_connection_itself() {
        assert_eq!(Reason::of_closing(Closing::Requested), None);
        assert_eq!(Reason::of_closing(Closing::Unread), Some(Reason::Unread));
    }
}
