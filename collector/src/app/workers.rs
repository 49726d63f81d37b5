//! Starts the workers of the use cases.

use std::io;

use rollcall_cluster::Keeper;
use rollcall_runtime::{OnError, Policy, TaskSet};
use rollcall_service::{Services, Workers, events::Recorder, naming};
use rollcall_skywalking::remote::sender::Clients;
use rollcall_storage as storage;

use super::{never_fails, timeline};

/// Starts the task that keeps this collector a member.
pub(super) fn keep_member(keeper: Option<Keeper>, membership: &TaskSet) {
    let Some(keeper) = keeper else { return };
    let kept = never_fails(keeper.run(membership.token()));
    membership.spawn("membership", Policy::default(), kept);
}

/// Starts the watcher of a store that other collectors write, too.
pub(super) fn watch(
    watcher: Option<Box<dyn storage::Watcher>>,
    services: &Services,
    watching: &TaskSet,
) {
    let Some(watcher) = watcher else { return };
    let register = services.register.clone();
    let watching_store = watcher.run(Box::new(move || register.catch_up()), watching.token());
    watching.spawn(
        "store watcher",
        Policy::default(),
        never_fails(watching_store),
    );
}

/// Starts the writer and the loops of the use cases. Returns the worker that starts once this collector is a member.
///
/// # Errors
/// The system refused the writer's thread.
pub(super) fn spawn(
    (workers, recorder): (Workers, Option<Recorder>),
    clients: Option<Clients>,
    services: &Services,
    writing: &TaskSet,
    loops: &TaskSet,
) -> io::Result<naming::Follower> {
    let Workers {
        writer,
        sweeper,
        write_back,
        naming,
    } = workers;
    timeline::begin(recorder, services, writing);
    let readiness = services.readiness.clone();
    writing.spawn_thread("writer", OnError::Stop, move || {
        writer
            .run()
            .inspect_err(|error| readiness.unmet("storage", error.to_string()))
    })?;
    let stop = loops.token();
    if let Some(clients) = clients {
        let forwarding = never_fails(clients.run(stop.clone()));
        loops.spawn("remote clients", Policy::default(), forwarding);
    }
    loops.spawn(
        "sweeper",
        Policy::default(),
        never_fails(sweeper.run(stop.clone())),
    );
    loops.spawn(
        "write-back",
        Policy::default(),
        never_fails(write_back.run(stop)),
    );
    Ok(naming)
}
