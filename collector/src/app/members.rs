//! What this collector tells the others of itself, and what it makes of what they tell.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use parking_lot::Mutex;
use rollcall_cluster::Cluster;
use rollcall_domain::{
    Timestamp,
    membership::{Member, State, View},
};
use rollcall_runtime::{Policy, TaskSet};
use rollcall_service::{Services, readiness};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Addresses;
use crate::config::Config;

/// This collector as it is known once it serves: since when, is told when it does.
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

/// Keeps the naming lists at the latest view, and the readiness at the latest health of the cluster.
pub(super) fn follow(cluster: &dyn Cluster, services: &Services, loops: &TaskSet) {
    let naming = services.naming.clone();
    let changes = Changes::default();
    let publish = move |view: &Arc<View>| {
        changes.log(view);
        naming.publish(view);
    };
    let readiness = services.readiness.clone();
    let tell = move |health: &Option<Arc<str>>| match health {
        None => readiness.met(readiness::CLUSTER),
        Some(reason) => readiness.degraded(readiness::CLUSTER, reason.to_string()),
    };
    let naming = each(cluster.view(), publish, loops.token());
    let health = each(cluster.health(), tell, loops.token());
    loops.spawn("naming", Policy::default(), naming);
    loops.spawn("cluster health", Policy::default(), health);
}

/// The members of the last view, to log what has changed since.
#[derive(Debug, Default)]
struct Changes(Mutex<BTreeMap<Arc<str>, State>>);

impl Changes {
    fn log(&self, view: &View) {
        let members = view.members().iter();
        let now: BTreeMap<_, _> = members
            .map(|member| (Arc::clone(&member.address), member.state))
            .collect();
        let mut before = self.0.lock();
        for (member, state) in &now {
            if before.get(member) == Some(state) {
                continue;
            }
            match state {
                State::Starting => tracing::info!(%member, "member starting"),
                State::Serving => tracing::info!(%member, "member joined"),
                State::Draining => tracing::info!(%member, "member draining"),
            }
        }
        for member in before.keys().filter(|member| !now.contains_key(*member)) {
            tracing::info!(%member, "member left");
        }
        *before = now;
    }
}

/// Hands what is watched to `take`, now and after every change, until it is stopped. The first time is before this returns.
fn each<T: Send + Sync + 'static>(
    mut watched: watch::Receiver<T>,
    take: impl Fn(&T) + Send + 'static,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), Infallible>> + Send {
    take(&watched.borrow_and_update());
    async move {
        while let Some(Ok(())) = stop.run_until_cancelled(watched.changed()).await {
            take(&watched.borrow_and_update());
        }
        Ok(())
    }
}
