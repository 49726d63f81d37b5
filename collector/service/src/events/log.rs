//! The lines about instances for an operator: registrations and departures, each with the application, the instance, the host
//! and the process by name.
//!
//! A departure that the agent did not announce is a warning; everything else is information. The log drops lines that its
//! reader does not keep up with, so a fleet that starts at once waits for no reader.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rollcall_domain::properties;
use rollcall_domain::{
    InstanceId,
    liveness::{Signal, State, Transition},
};

use super::super::Core;

/// An instance in names. A name that is not known is left out of the line.
struct Named {
    application: Option<Arc<str>>,
    instance: Option<Arc<str>>,
    host: Option<String>,
    pid: Option<String>,
}

impl Named {
    fn of(core: &Core, id: InstanceId) -> Option<Self> {
        let (application, instance, host, pid) = core.inventory.read_instance(id, |it| {
            let host = properties::host(&it.properties).map(str::to_owned);
            let pid = properties::process_id(&it.properties).map(str::to_owned);
            (it.application, it.uuid.clone(), host, pid)
        })?;
        let application = application.and_then(|id| core.inventory.application(id)?.code);
        Some(Self {
            application,
            instance,
            host,
            pid,
        })
    }

    fn instance(&self) -> Option<&str> {
        self.instance.as_deref().map(properties::instance_name)
    }
}

/// Registrations logged in one second; more of them are logged at DEBUG, so that a fleet that starts at once leaves room in
/// the log for everything else.
const LINES_PER_SECOND: usize = 100;

/// Counts the registrations of the current second.
#[derive(Debug, Default)]
pub(super) struct Registrations {
    second: AtomicI64,
    lines: AtomicUsize,
}

impl Registrations {
    /// Whether one more is logged. Approximate when a second begins.
    fn admit(&self, core: &Core) -> bool {
        let second = core.clock.wall().millis() / 1000;
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.lines.store(0, Ordering::Relaxed);
        }
        self.lines.fetch_add(1, Ordering::Relaxed) < LINES_PER_SECOND
    }
}

/// Logs an instance that got an id, or brought one along.
pub(super) fn granted(registrations: &Registrations, core: &Core, id: InstanceId, adopted: bool) {
    if !registrations.admit(core) {
        return tracing::debug!(instance.id = id.get(), adopted, "instance registered");
    }
    let Some(named) = Named::of(core, id) else {
        return;
    };
    tracing::info!(
        application = named.application.as_deref(),
        instance = named.instance(),
        host = named.host.as_deref(),
        pid = named.pid.as_deref(),
        instance.id = id.get(),
        adopted,
        "instance registered",
    );
}

/// Logs a change of state.
pub(super) fn changed(core: &Core, transition: &Transition<InstanceId>) {
    let id = transition.key;
    let Some(named) = Named::of(core, id) else {
        return;
    };
    let Transition { to, signal, at, .. } = *transition;
    let silence = at.since(transition.last_seen);
    match to {
        State::Up => log_at_info(&named, id, signal, silence, "instance up"),
        State::Silent => log_at_info(&named, id, signal, silence, "instance silent"),
        State::Left => log_at_info(&named, id, signal, silence, "instance left"),
        State::Down => tracing::warn!(
            application = named.application.as_deref(),
            instance = named.instance(),
            host = named.host.as_deref(),
            pid = named.pid.as_deref(),
            instance.id = id.get(),
            last_signal = ?signal,
            ?silence,
            "instance down",
        ),
    }
}

fn log_at_info(
    named: &Named,
    id: InstanceId,
    last_signal: Signal,
    silence: Duration,
    message: &str,
) {
    tracing::info!(
        application = named.application.as_deref(),
        instance = named.instance(),
        host = named.host.as_deref(),
        pid = named.pid.as_deref(),
        instance.id = id.get(),
        ?last_signal,
        ?silence,
        "{message}",
    );
}
