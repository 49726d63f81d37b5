//! Keeps connections to other collectors alive.

use std::time::Duration;

use tonic::transport::Endpoint;

/// The idle time before a ping, and the timeout of its answer.
const PING: Duration = Duration::from_secs(2);

/// `endpoint` with the connect timeout `patience` and keep-alive pings, so that a silently lost server is soon detected.
pub(super) fn keep_alive(endpoint: Endpoint, patience: Duration) -> Endpoint {
    endpoint
        .connect_timeout(patience)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
}
