//! How connections to other servers are kept: to etcd, and to other collectors.

use std::time::Duration;

use tonic::transport::Endpoint;

/// A connection on which nothing was heard for so long is asked whether it lives, and has as long to say so.
const QUIET: Duration = Duration::from_secs(2);

/// `endpoint`, connected to within `patience`, and given up soon after its server is lost without a word.
pub(crate) fn keep_alive(endpoint: Endpoint, patience: Duration) -> Endpoint {
    endpoint
        .connect_timeout(patience)
        .http2_keep_alive_interval(QUIET)
        .keep_alive_timeout(QUIET)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
}
