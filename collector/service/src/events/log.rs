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
    liveness::{Cause, Contact, State, Transition},
};

use super::super::{Core, stray};
pub use limit::Limit;

/// The names of an instance. The line omits unknown ones.
#[derive(Default)]
struct Named {
    application: Option<Arc<str>>,
    uuid: Option<Arc<str>>,
    host: Option<String>,
    pid: Option<String>,
}

impl Named {
    fn of(core: &Core, id: InstanceId) -> Option<Self> {
        let (application, uuid, host, pid) = core.inventory.read_instance(id, |it| {
            let host = properties::host(it.properties).map(str::to_owned);
            let pid = properties::process_id(it.properties).map(str::to_owned);
            (it.application, it.uuid.map(Arc::<str>::from), host, pid)
        })?;
        let application = application.and_then(|id| core.inventory.application(id)?.code);
        Some(Self {
            application,
            uuid,
            host,
            pid,
        })
    }

    fn instance(&self) -> Option<&str> {
        self.uuid.as_deref().map(properties::instance_name)
    }
}

/// Logs a line about an instance at a level: its names and its id, then the fields and the message of the line.
macro_rules! log {
    ($level:ident, $named:expr, $id:expr, $($line:tt)+) => {
        tracing::$level!(
            application = $named.application.as_deref(),
            instance = $named.instance(),
            host = $named.host.as_deref(),
            pid = $named.pid.as_deref(),
            instance.id = $id.get(),
            $($line)+
        )
    };
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
        let more = self.of(kind).take_suppressed(second(core));
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
    log!(info, named, id, adopted, "instance registered");
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
    match to {
        State::Up => log!(info, named, id, last_signal = ?signal, ?silence, reason, "instance up"),
        State::Silent => {
            log!(info, named, id, last_signal = ?signal, ?silence, reason, "instance silent");
        }
        State::Left => {
            log!(info, named, id, last_signal = ?signal, ?silence, reason, "instance left");
        }
        State::Down => {
            log!(warn, named, id, last_signal = ?signal, ?silence, reason, "instance down");
        }
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
        Some(Cause::ClosedByPeer) => "its connection was closed by the peer",
        Some(Cause::Reset) => "its connection was reset",
        Some(Cause::Timeout) => "its connection was closed because the peer did not answer",
        Some(Cause::ClosedByCollector) => "its connection was closed by this collector",
        Some(Cause::OverLimit) => {
            "its connection was closed by this collector because the peer exceeded a limit"
        }
        Some(Cause::Unread) => {
            "its connection was closed by this collector because the peer did not read its answers"
        }
        Some(Cause::Violation) => {
            "its connection was closed by this collector because the peer violated the protocol"
        }
        Some(Cause::Broken) => "its connection broke",
        Some(Cause::Hung) => {
            "its process did not answer and its machine acknowledged what was sent: paused or hung"
        }
        Some(Cause::Unreachable) => {
            "its machine did not acknowledge what was sent: the machine or the network failed"
        }
    })
}

/// Logs a refused sign of life that another process than the instance sent.
pub(super) fn stray(core: &Core, id: InstanceId, reason: stray::Reason) {
    let named = Named::of(core, id).unwrap_or_default();
    let reason = match reason {
        stray::Reason::NoIds => "the agent of this instance uses no ids",
        stray::Reason::OtherApplication => "it names an application that is not this instance's",
    };
    log!(
        warn,
        named,
        id,
        reason,
        "sign of life refused: another process holds the id of this instance from an earlier store"
    );
}

/// Logs an agent whose interval is longer than the configured term.
pub(super) fn slow(core: &Core, id: InstanceId, interval: Duration, silent_after: Duration) {
    let named = Named::of(core, id).unwrap_or_default();
    log!(
        warn,
        named,
        id,
        ?interval,
        ?silent_after,
        "an agent sends signals less often than liveness.default.silent_after, its term follows its interval"
    );
}

/// Logs an agent whose clock differs much from this collector's.
pub(super) fn skewed(core: &Core, id: InstanceId, skew_ms: i32) {
    let named = Named::of(core, id).unwrap_or_default();
    log!(
        warn,
        named,
        id,
        clock_skew_ms = skew_ms,
        "the clock of an agent differs from this collector's: set the clock of its host"
    );
}
