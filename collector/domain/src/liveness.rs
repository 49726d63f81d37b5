//! Who is alive, and why the collector thinks so.

/// What an agent did that proved it alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Signal {
    /// It registered its instance.
    Register = 1,
    /// It said, after a reconnect, which ids it holds.
    Recover = 2,
    /// It sent a heartbeat.
    Heartbeat = 3,
    /// It sent JVM metrics.
    JvmMetrics = 4,
    /// It sent a trace segment.
    TraceSegment = 5,
}

/// What the collector thinks of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// It was heard of within the term.
    Up = 0,
    /// It has not been heard of for longer than `silent_after`.
    Silent = 1,
    /// It has not been heard of for longer than `down_after`.
    Down = 2,
}
