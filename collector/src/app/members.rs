//! The membership of this collector, and the health of the cluster as a readiness condition.

use std::sync::Arc;

use rollcall_domain::{
    Timestamp,
    membership::{Member, State},
};
use rollcall_runtime::{Policy, TaskSet};
use rollcall_service::{
    naming::Follower,
    readiness::{self, Readiness},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Addresses, never_fails};
use crate::config::Config;

/// The member entry of this collector in the state serving. The caller sets `since` when the collector starts to serve.
pub(super) fn own(config: &Config, addresses: Addresses, since: Timestamp) -> Member {
    let remote = config.remote.advertised.authority(addresses.remote.port());
    let grpc = config
        .agent_grpc
        .advertised
        .authority(addresses.agent_grpc.port());
    let jetty = config
        .agent_jetty
        .advertised
        .authority(addresses.agent_jetty.port());
    let ui = config.ui.advertised.authority(addresses.ui.port());
    Member {
        address: remote.into(),
        agent_grpc: Some(grpc.into()),
        agent_jetty: Some((jetty + &config.agent_jetty.context_path).into()),
        ui: Some((ui + &config.ui.context_path).into()),
        version: Some(env!("CARGO_PKG_VERSION").into()),
        state: State::Serving,
        since,
    }
}

/// Keeps the naming lists up to date with each view, and the readiness with the health of the cluster. Both are current when this
/// returns.
pub(super) fn follow(
    naming: Follower,
    health: watch::Receiver<Option<Arc<str>>>,
    readiness: &Readiness,
    loops: &TaskSet,
) {
    let naming = naming.run(loops.token());
    let health = report(readiness::CLUSTER, health, readiness.clone(), loops.token());
    loops.spawn("naming", Policy::default(), never_fails(naming));
    loops.spawn("cluster health", Policy::default(), never_fails(health));
}

/// Degrades the collector while a component reports a problem. The readiness is current when this returns.
pub(super) fn report(
    condition: &'static str,
    mut health: watch::Receiver<Option<Arc<str>>>,
    readiness: Readiness,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let report = move |health: &Option<Arc<str>>| match health {
        None => readiness.met(condition),
        Some(reason) => readiness.degraded(condition, reason.to_string()),
    };
    report(&health.borrow_and_update());
    async move {
        while let Some(Ok(())) = stop.run_until_cancelled(health.changed()).await {
            report(&health.borrow_and_update());
        }
    }
}
