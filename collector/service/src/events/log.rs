//! Log lines about instances for the operator: registrations and changes of state, each with the names of the application, the
//! instance, the host and the process.
//!
//! A departure that the agent did not announce is a warning; every other line is at INFO. Each kind has a limit of lines per
//! second; further lines are logged at DEBUG, and their number once the second is over. If the log's reader is too slow, lines are
//! dropped, so a fleet that starts at once never waits for it.

mod limit;

use std::{sync::Arc, time::Duration};

use rollcall_domain::properties;
use rollcall_domain::{
    InstanceId,
    liveness::{Signal, State, Transition},
};

use super::super::Core;
use limit::Limit;

/// The names of an instance. The line omits unknown ones.
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

/// The kinds of lines, each with its own limit.
#[derive(Clone, Copy)]
enum Kind {
    Registered,
    Up,
    Silent,
    Left,
    Down,
}

/// Limits the lines of each kind.
#[derive(Debug, Default)]
pub(super) struct Limits {
    registered: Limit,
    up: Limit,
    silent: Limit,
    left: Limit,
    down: Limit,
}

impl Limits {
    const fn of(&self, kind: Kind) -> &Limit {
        match kind {
            Kind::Registered => &self.registered,
            Kind::Up => &self.up,
            Kind::Silent => &self.silent,
            Kind::Left => &self.left,
            Kind::Down => &self.down,
        }
    }

    /// Whether one more line is logged now.
    fn admit(&self, core: &Core, kind: Kind) -> bool {
        self.report_left_out(core, kind);
        self.of(kind).admits(second(core))
    }

    /// Logs how many lines of each kind were suppressed, once their second is over.
    pub(super) fn report(&self, core: &Core) {
        for kind in [
            Kind::Registered,
            Kind::Up,
            Kind::Silent,
            Kind::Left,
            Kind::Down,
        ] {
            self.report_left_out(core, kind);
        }
    }

    fn report_left_out(&self, core: &Core, kind: Kind) {
        let more = self.of(kind).left_out(second(core));
        if more == 0 {
            return;
        }
        match kind {
            Kind::Registered => tracing::info!(more, "more instances registered"),
            Kind::Up => tracing::info!(more, "more instances up"),
            Kind::Silent => tracing::info!(more, "more instances silent"),
            Kind::Left => tracing::info!(more, "more instances left"),
            Kind::Down => tracing::warn!(more, "more instances down"),
        }
    }
}

fn second(core: &Core) -> i64 {
    core.clock.now().millis() / 1000
}

/// Logs an instance that got an id or was adopted.
pub(super) fn granted(limits: &Limits, core: &Core, id: InstanceId, adopted: bool) {
    if !limits.admit(core, Kind::Registered) {
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
pub(super) fn changed(limits: &Limits, core: &Core, transition: &Transition<InstanceId>) {
    let id = transition.key;
    let Transition { to, signal, at, .. } = *transition;
    let kind = match to {
        State::Up => Kind::Up,
        State::Silent => Kind::Silent,
        State::Left => Kind::Left,
        State::Down => Kind::Down,
    };
    if !limits.admit(core, kind) {
        return tracing::debug!(instance.id = id.get(), ?to, "instance changed its state");
    }
    let Some(named) = Named::of(core, id) else {
        return;
    };
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
