//! How connections end.

/// How the connection of a publisher ended: the evidence of the instances that ended with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionEnd {
    /// The client closed its stream or its connection in an orderly way.
    Closed,
    /// The transport ended while the stream was open, as when the operating system closes the connections of a killed process.
    Dropped,
    /// The client's system or an intermediary reset the transport.
    Reset,
    /// The client did not answer a detection request or an HTTP/2 ping in time.
    TimedOut,
    /// This collector closed the connection because the client did not read its messages.
    Unread,
    /// This collector closed the connection because the client exceeded a limit of connections.
    OverLimit,
    /// The client opened another stream on the same transport.
    Superseded,
    /// The client sent bytes that are not a message of the protocol.
    Violation,
    /// This collector is stopping. The instances stay for the next run, so no event of an instance carries this end.
    CollectorStops,
}
