//! Builds the selection of the owner of new registrations, and the clients that forward to it.

use std::sync::Arc;

use rollcall_cluster::Cluster;
use rollcall_domain::membership::Member;
use rollcall_metrics::Metrics;
use rollcall_runtime::Clock;
use rollcall_service::register::Owner;
use rollcall_skywalking::remote::{
    client,
    sender::{self, Clients},
};
use rollcall_tls::Certificates;
use tonic::metadata::AsciiMetadataValue;

use crate::config::Config;

/// The selection of the owner among the collectors that share a store, for the collector `own`, and the task of the clients.
pub(super) fn owner(
    (config, certificates): (&Config, Option<Certificates>),
    own: &Member,
    cluster: &dyn Cluster,
    clock: Clock,
    metrics: &Metrics,
) -> (Arc<dyn Owner>, Clients) {
    let client = client::Config {
        buffer_size: config.remote.buffer_size,
        // The owner gets half of a caller's deadline.
        patience: config.register.deadline / 2,
        certificates,
        token: token(config.agent_grpc.authentication.expose()),
    };
    let own = Arc::clone(&own.address);
    let (sender, clients) = sender::build(client, own, cluster.view(), clock, metrics);
    (Arc::new(sender), clients)
}

/// The token as metadata, which `Debug` does not show; `None` for an empty token.
fn token(text: &str) -> Option<AsciiMetadataValue> {
    let mut token: AsciiMetadataValue = text.parse().ok().filter(|_| !text.is_empty())?;
    token.set_sensitive(true);
    Some(token)
}
