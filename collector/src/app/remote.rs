//! Who commits new registrations, and how it is asked.

use std::sync::Arc;

use rollcall_cluster::Cluster;
use rollcall_domain::membership::Member;
use rollcall_metrics::Metrics;
use rollcall_runtime::Clock;
use rollcall_service::register::Owners;
use rollcall_skywalking::remote::{
    client,
    sender::{self, Clients},
};
use tonic::metadata::AsciiMetadataValue;

use crate::config::Config;

/// The owners among the collectors that share a store, as `own` knows them, and what has to run to ask them.
pub(super) fn owners(
    config: &Config,
    own: &Member,
    cluster: &dyn Cluster,
    clock: Clock,
    metrics: &Metrics,
) -> (Arc<dyn Owners>, Clients) {
    let client = client::Config {
        buffer_size: config.remote.buffer_size,
        // Nobody waits for another collector any longer.
        patience: config.register.deadline / 2,
        token: token(config.agent_grpc.authentication.expose()),
    };
    let own = Arc::clone(&own.address);
    let (sender, clients) = sender::build(client, own, cluster.view(), clock, metrics);
    (Arc::new(sender), clients)
}

/// What is sent for a token; `None` for an empty one, which asks for none. It is not shown by `Debug`.
fn token(text: &str) -> Option<AsciiMetadataValue> {
    let mut token: AsciiMetadataValue = text.parse().ok().filter(|_| !text.is_empty())?;
    token.set_sensitive(true);
    Some(token)
}
