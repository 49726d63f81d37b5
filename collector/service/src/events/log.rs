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
    liveness::{Cause, Contact, Signal, State, Transition},
};

use super::super::Core;
pub use limit::Limit;

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
    let reason = reason(core, id, to);
    let log = |message| log_at_info(&named, id, signal, silence, reason, message);
    match to {
        State::Up => log("instance up"),
        State::Silent => log("instance silent"),
        State::Left => log("instance left"),
        State::Down => tracing::warn!(
            application = named.application.as_deref(),
            instance = named.instance(),
            host = named.host.as_deref(),
            pid = named.pid.as_deref(),
            instance.id = id.get(),
            last_signal = ?signal,
            ?silence,
            reason,
            "instance down",
        ),
    }
}

/// Why an instance departed: how the connection of its last signal ended, as far as this collector knows.
fn reason(core: &Core, id: InstanceId, to: State) -> Option<&'static str> {
    match to {
        State::Up => return None,
        State::Left => return Some("its agent announced its stop"),
        State::Silent | State::Down => {}
    }
    let contact = core.lessor.view(id).map(|lease| lease.contact);
    let cause = match contact {
        Some(Contact::Closed(closed)) => Some(closed.cause),
        _ => None,
    };
    Some(match cause {
        None => "no signal arrived, and no end of its connection was observed here",
        Some(Cause::Peer) => "its connection was closed by the peer",
        Some(Cause::Reset) => "its connection was reset",
        Some(Cause::Timeout) => "its connection was closed because the peer did not answer",
        Some(Cause::Collector) => "its connection was closed by this collector",
        Some(Cause::Broken) => "its connection broke",
    })
}

fn log_at_info(
    named: &Named,
    id: InstanceId,
    last_signal: Signal,
    silence: Duration,
    reason: Option<&'static str>,
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
        reason,
        "{message}",
    );
}

/// Logs a refused sign of life with the id of an instance whose agent uses no ids.
pub(super) fn stray(core: &Core, id: InstanceId) {
    let named = Named::of(core, id);
    let named = named.as_ref();
    tracing::warn!(
        application = named.and_then(|named| named.application.as_deref()),
        instance = named.and_then(Named::instance),
        host = named.and_then(|named| named.host.as_deref()),
        instance.id = id.get(),
        "sign of life refused: the agent of this instance knows no ids, another process holds the id from an earlier store"
    );
}

/// Logs an agent whose interval is longer than the configured term.
pub(super) fn slow(core: &Core, id: InstanceId, interval: Duration, silent_after: Duration) {
    let named = Named::of(core, id);
    let named = named.as_ref();
    tracing::warn!(
        application = named.and_then(|named| named.application.as_deref()),
        instance = named.and_then(Named::instance),
        host = named.and_then(|named| named.host.as_deref()),
        instance.id = id.get(),
        ?interval,
        ?silent_after,
        "an agent sends signals less often than liveness.default.silent_after, its term follows its interval"
    );
}

/// Logs an agent whose clock differs much from this collector's.
pub(super) fn skewed(core: &Core, id: InstanceId, skew_ms: i32) {
    let named = Named::of(core, id);
    let named = named.as_ref();
    tracing::warn!(
        application = named.and_then(|named| named.application.as_deref()),
        instance = named.and_then(Named::instance),
        host = named.and_then(|named| named.host.as_deref()),
        instance.id = id.get(),
        clock_skew_ms = skew_ms,
        "the clock of an agent differs from this collector's: set the clock of its host"
    );
}
