//! Watches for many instances that fall silent at once, and for signs that this collector is the cause.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use rollcall_domain::{
    ApplicationId, InstanceId, Moment, Timestamp,
    liveness::{
        Guard, Observer, Pattern, Population, Share, SilentInstance, State, Transition, Wave,
    },
    properties,
};
use rollcall_link::Links;

use super::Config;
use crate::{
    Core,
    events::{CollectorEvent, Mass, MassGroup},
};

/// Returns a reason why this collector may itself be the cause of a silence, for example that a limit of its listeners is reached.
#[derive(Clone)]
pub struct Suspect(Arc<dyn Fn() -> Option<String> + Send + Sync>);

/// Watches the changes of state.
#[derive(Debug)]
pub(super) struct Watch {
    guard: Guard,
    suspect: Suspect,
    links: Links,
    hashing: RandomState,
    /// The wall time at moment 0, as computed at the last sweep. It changes when the wall clock is set.
    origin: Timestamp,
    stalled: Option<(Moment, Duration)>,
    adjusted: Option<(Moment, i64)>,
    /// The longest time from a stall or a change of the clock to a wave of which it is a suspected cause.
    recent: Duration,
}

/// A smaller change of the wall clock counts as a correction, not as a jump.
const JUMP: i64 = 2_000;
/// The part of all instances, in percent, that must be silent for this collector to suspect its own network.
const NEARLY_ALL: usize = 90;

impl Suspect {
    /// A suspect whose `reason` is called at each report.
    pub fn new(reason: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(reason))
    }
}

impl Default for Suspect {
    fn default() -> Self {
        Self::new(|| None)
    }
}

impl fmt::Debug for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspect").finish_non_exhaustive()
    }
}

impl Population for Core {
    fn up_in(&self, application: Option<ApplicationId>) -> usize {
        self.lessor.tally(application).up
    }

    fn up_total(&self) -> usize {
        self.lessor.counts().up
    }
}

impl Watch {
    pub(super) fn new(config: &Config, core: &Core, links: Links) -> Self {
        let terms = core.lessor.terms();
        Self {
            guard: Guard::new(config.mass),
            suspect: config.suspect.clone(),
            links,
            hashing: RandomState::new(),
            origin: core.clock.wall_at(Moment::from_millis(0)),
            stalled: None,
            adjusted: None,
            recent: terms.down_after.saturating_add(config.mass.window * 10),
        }
    }

    /// Records that this collector did not run for a while.
    pub(super) fn stalled(&mut self, core: &Core, now: Moment, late: Duration) {
        self.stalled = Some((now, late));
        let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        let event = CollectorEvent::Stalled { late_ms };
        core.events.feed().collector(core.clock.wall(), event);
    }

    /// Records a change of state, and reports the wave before it if that wave has ended.
    pub(super) fn observe(&mut self, core: &Core, transition: &Transition<InstanceId>) {
        if transition.to != State::Silent || transition.is_reported {
            return;
        }
        let instance = transition.key;
        let read = core.inventory.read_instance(instance, |known| {
            let host = properties::host(known.properties);
            (
                known.application,
                host.map(|host| self.hashing.hash_one(host)),
            )
        });
        let (application, host) = read.unwrap_or_default();
        let peer = core.events.peer(instance);
        let instance = SilentInstance {
            instance,
            application,
            host,
            peer: peer.map(|peer| self.hashing.hash_one(peer)),
            member: match transition.observer {
                Observer::Here => None,
                Observer::Elsewhere(member) => member,
            },
        };
        if let Some(wave) = self.guard.observe(instance, transition.at, core) {
            self.report(core, &wave);
        }
    }

    /// Reports a wave that has ended. Called at every sweep.
    pub(super) fn poll(&mut self, core: &Core) {
        let now = core.clock.now();
        let origin = core.clock.wall_at(Moment::from_millis(0));
        let by = origin.millis().saturating_sub(self.origin.millis());
        self.origin = origin;
        if by.abs() > JUMP {
            self.adjusted = Some((now, by));
        }
        if let Some(wave) = self.guard.poll(now, core) {
            self.report(core, &wave);
        }
    }

    fn report(&self, core: &Core, wave: &Wave) {
        let (groups, common): (Vec<_>, Vec<_>) = wave.patterns.iter().partition(|pattern| {
            matches!(pattern, Pattern::Everything(_) | Pattern::Application(..))
        });
        let named = |patterns: Vec<&Pattern>| -> Vec<MassGroup> {
            patterns.into_iter().map(|it| group(core, *it)).collect()
        };
        let suspicions = self.suspicions(core, wave);
        let mass = Mass {
            silent: count(wave.silent),
            began_at: core.clock.wall_at(wave.first),
            within_ms: count_millis(wave.last.since(wave.first)),
            groups: named(groups),
            common: named(common),
            suspects_itself: !suspicions.is_empty(),
            suspicions,
        };
        tracing::warn!(
            instances = mass.silent,
            within = ?wave.last.since(wave.first),
            groups = %list(&mass.groups),
            in_common = %list(&mass.common),
            suspicions = %mass.suspicions.join("; "),
            "many instances fell silent at once"
        );
        let event = CollectorEvent::MassSilence(mass);
        core.events.feed().collector(core.clock.wall(), event);
    }

    /// Why this collector may itself be the cause.
    fn suspicions(&self, core: &Core, wave: &Wave) -> Vec<String> {
        let is_recent = |at: Moment| wave.last.since(at) <= self.recent;
        let mut reasons = Vec::new();
        if let Some((_, late)) = self.stalled.filter(|(at, _)| is_recent(*at)) {
            reasons.push(format!("this collector did not run for {late:.1?}"));
        }
        if let Some((_, by)) = self.adjusted.filter(|(at, _)| is_recent(*at)) {
            reasons.push(format!("the clock of this machine was set by {by} ms"));
        }
        reasons.extend((self.suspect.0)());
        let is_everything = |pattern: &Pattern| match pattern {
            Pattern::Everything(Share { silent, of }) => {
                of.is_some_and(|of| silent * 100 >= of * NEARLY_ALL)
            }
            _ => false,
        };
        if wave.patterns.iter().any(is_everything) {
            // The query that shows this event holds a connection itself: one connection does not prove that an agent is
            // connected.
            reasons.push(match self.links.count() {
                0 | 1 => {
                    "nearly all instances are silent and no agent is connected to this collector"
                        .to_owned()
                }
                open => format!(
                    "nearly all instances are silent while {open} connections are open: the network of this collector may have failed"
                ),
            });
        }
        if core.lessor.counts().up == 0 && reasons.is_empty() {
            reasons.push("no instance is up any more".to_owned());
        }
        reasons
    }
}

/// The names of a pattern.
fn group(core: &Core, pattern: Pattern) -> MassGroup {
    let application = |id: Option<ApplicationId>| {
        let code = id.and_then(|id| core.inventory.application(id)?.code);
        match (code, id) {
            (Some(code), _) => code.to_string(),
            (None, Some(id)) => format!("unknown ({})", core.inventory.shown(id)),
            (None, None) => "unknown".to_owned(),
        }
    };
    let (what, name, share) = match pattern {
        Pattern::Everything(share) => ("everything", "all instances".to_owned(), share),
        Pattern::Application(id, share) | Pattern::OneApplication(id, share) => {
            ("application", application(id), share)
        }
        Pattern::Host(instance, share) => {
            let host = core.inventory.read_instance(instance, |known| {
                properties::host(known.properties).map(str::to_owned)
            });
            ("host", host.flatten().unwrap_or_default(), share)
        }
        Pattern::Peer(instance, share) => {
            let peer = core.events.peer(instance);
            (
                "peer",
                peer.map(|peer| peer.to_string()).unwrap_or_default(),
                share,
            )
        }
        Pattern::Member(tag, share) => {
            let name = core.names.witness(Some(tag)).address;
            let unknown = || "another member".into();
            ("member", name.unwrap_or_else(unknown).to_string(), share)
        }
    };
    MassGroup {
        what: what.to_owned(),
        name,
        silent: count(share.silent),
        of: share.of.map(count),
    }
}

fn list(groups: &[MassGroup]) -> String {
    let one = |group: &MassGroup| match group.of {
        Some(of) => format!("{} of {of}: {} {}", group.silent, group.what, group.name),
        None => format!("{}: {} {}", group.silent, group.what, group.name),
    };
    groups.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn count_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
