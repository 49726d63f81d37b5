//! How connections to other collectors are kept.

use std::time::Duration;

use tonic::transport::Endpoint;

/// A connection that is silent for this long is pinged, and closed if the answer takes as long again.
const PING: Duration = Duration::from_secs(2);

/// `endpoint`, connected within `patience`, and closed soon after its server is lost without notice.
pub(super) fn keep_alive(endpoint: Endpoint, patience: Duration) -> Endpoint {
    endpoint
        .connect_timeout(patience)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
}
