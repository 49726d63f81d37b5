//! One listener stack for every face.

use std::time::Duration;

/// What one listener allows its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is closed at once.
    pub max_connections: usize,
    /// How long a new connection may take to show which protocol it speaks.
    pub handshake_timeout: Duration,
    /// How long a request header may take over HTTP/1; also how long a connection may stay idle between two requests.
    pub header_timeout: Duration,
    /// The largest header section, in bytes.
    pub max_header_size: usize,
    /// Requests under way at a time on one HTTP/2 connection.
    pub max_streams_per_connection: usize,
}
