//! Who is there: what the query API reads.

use std::{sync::Arc, time::Duration};

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Application, Instance, Place},
    liveness::{Cause, Signal, State, Terms},
    membership::View,
};
use tokio::sync::watch;

use super::Core;
use crate::properties;

/// Answers who is there. Cheap to clone. Lists are read in bounded steps and never hold up a registration.
#[derive(Clone, Debug)]
pub struct Roster {
    core: Core,
    own: Arc<str>,
    members: watch::Receiver<Arc<View>>,
}

/// The collectors, as this one knows them.
#[derive(Clone, Debug)]
pub struct Members {
    /// Which of them this one is: its address.
    pub own: Arc<str>,
    pub view: Arc<View>,
}

/// A part of a list, and where the next part starts.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<C>,
}

/// An application and how its instances are.
#[derive(Clone, Debug)]
pub struct ApplicationStatus {
    pub application: Application,
    pub instances: Tally,
}

/// How many instances are in each state. Those that are forgotten are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub up: usize,
    pub silent: usize,
    pub down: usize,
    pub left: usize,
}

/// An instance and why the collector thinks of it as it does.
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    pub instance: Instance,
    pub state: State,
    /// When the state was entered.
    pub since: Timestamp,
    pub last_seen: Timestamp,
    /// What was last heard of it.
    pub signal: Signal,
    /// Whether that came to another collector, or to an earlier run of this one.
    pub relayed: bool,
    /// How often its agent usually sends a signal, as far as it was observed.
    pub usual: Duration,
    /// Whether that is less often than the configured term.
    pub is_slow: bool,
    /// How long it may be quiet.
    pub terms: Terms,
    /// When and how the connection ended on which it was last seen.
    pub closed: Option<(Timestamp, Cause)>,
    /// Whether it is left out of counts and lists.
    pub forgotten: bool,
}

/// Which instances a list has.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those in one of these states, the forgotten ones too; all that are not forgotten if `None`.
    pub states: Option<Vec<State>>,
    /// Those with this name or UUID.
    pub name: Option<String>,
    /// Those on a host of this name.
    pub host: Option<String>,
}

/// Instances looked at in one step of a count.
const STEP: usize = 1024;

impl Roster {
    pub(super) fn new(core: Core, own: Arc<str>, members: watch::Receiver<Arc<View>>) -> Self {
        Self { core, own, members }
    }

    /// Applications in the order of their ids, from after `cursor`, `limit` at the most. The reserved one is left out.
    #[must_use]
    pub fn applications(
        &self,
        cursor: Option<ApplicationId>,
        limit: usize,
    ) -> Page<ApplicationStatus, ApplicationId> {
        // One more than asked for tells whether there is a next page.
        let more = limit.saturating_add(1);
        let mut applications = self.core.inventory.applications(cursor, more);
        let is_last = applications.len() <= limit;
        applications.truncate(limit);
        let last = applications.last().map(|application| application.id);
        let next = last.filter(|_| !is_last);
        let status = |application: Application| ApplicationStatus {
            instances: self.tally(application.id),
            application,
        };
        Page {
            items: applications.into_iter().map(status).collect(),
            next,
        }
    }

    /// An application.
    #[must_use]
    pub fn application(&self, id: ApplicationId) -> Option<ApplicationStatus> {
        let application = self.listed(id)?;
        Some(ApplicationStatus {
            instances: self.tally(id),
            application,
        })
    }

    /// Whether there is such an application; cheaper than to ask how it is.
    #[must_use]
    pub fn has_application(&self, id: ApplicationId) -> bool {
        self.listed(id).is_some()
    }

    /// The application with this code.
    #[must_use]
    pub fn application_named(&self, code: &str) -> Option<ApplicationStatus> {
        self.application(self.core.inventory.application_id(code)?)
    }

    /// Instances of an application in the order of their ids, from after `cursor`, `limit` at the most. `application` is `None` for
    /// those whose application was never told.
    #[must_use]
    pub fn instances(
        &self,
        application: Option<ApplicationId>,
        filter: &Filter,
        cursor: Option<InstanceId>,
        limit: usize,
    ) -> Page<InstanceStatus, InstanceId> {
        let inventory = &self.core.inventory;
        let ids = |after, count| inventory.instance_ids(application, after, count);
        self.filtered(ids, |id| *id, filter, cursor, limit)
    }

    /// Instances of all applications, by application and then in the order of their ids, from after `cursor`, `limit` at the
    /// most.
    #[must_use]
    pub fn all_instances(
        &self,
        filter: &Filter,
        cursor: Option<Place>,
        limit: usize,
    ) -> Page<InstanceStatus, Place> {
        let inventory = &self.core.inventory;
        let places = |after, count| inventory.places(after, count);
        self.filtered(places, |place| place.instance, filter, cursor, limit)
    }

    /// A page of those that pass a filter; `read` gives the next of all of them.
    fn filtered<C: Copy>(
        &self,
        read: impl Fn(Option<C>, usize) -> Vec<C>,
        instance: impl Fn(&C) -> InstanceId,
        filter: &Filter,
        mut cursor: Option<C>,
        limit: usize,
    ) -> Page<InstanceStatus, C> {
        // One more than asked for tells whether there is a next page.
        let more = limit.saturating_add(1);
        let mut listed = Vec::new();
        loop {
            let step = STEP.max(more);
            let places = read(cursor, step);
            let is_last = places.len() < step;
            cursor = places.last().copied();
            let passing = places.into_iter();
            listed.extend(passing.filter(|place| self.passes(filter, instance(place))));
            if is_last || listed.len() >= more {
                break;
            }
        }
        let is_last = listed.len() <= limit;
        listed.truncate(limit);
        let next = listed.last().copied().filter(|_| !is_last);
        let items = listed.iter().map(instance);
        Page {
            items: items.filter_map(|id| self.instance(id)).collect(),
            next,
        }
    }

    fn passes(&self, filter: &Filter, id: InstanceId) -> bool {
        let lease = self.core.lessor.view(id);
        let in_state = lease.is_some_and(|lease| match &filter.states {
            None => !lease.forgotten,
            Some(states) => states.contains(&lease.state),
        });
        if !in_state || (filter.name.is_none() && filter.host.is_none()) {
            return in_state;
        }
        let inventory = &self.core.inventory;
        let passes = inventory.read_instance(id, |known| {
            let uuid = known.uuid.as_deref().unwrap_or_default();
            let named = |name: &String| uuid == name || properties::instance_name(uuid) == name;
            let on = |host: &String| properties::is_on(&known.properties, host);
            filter.name.as_ref().is_none_or(named) && filter.host.as_ref().is_none_or(on)
        });
        passes.unwrap_or(false)
    }

    /// An instance.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<InstanceStatus> {
        let instance = self.core.inventory.instance(id)?;
        let lease = self.core.lessor.view(id)?;
        let clock = &self.core.clock;
        Some(InstanceStatus {
            instance,
            state: lease.state,
            since: clock.wall_at(lease.since),
            last_seen: clock.wall_at(lease.last_seen),
            signal: lease.signal,
            relayed: lease.relayed,
            usual: lease.usual,
            is_slow: lease.usual > self.core.lessor.terms().silent_after,
            terms: self.core.lessor.terms().of(lease.usual),
            closed: lease
                .closed
                .map(|closed| (clock.wall_at(closed.at), closed.cause)),
            forgotten: lease.forgotten,
        })
    }

    /// The collectors.
    #[must_use]
    pub fn members(&self) -> Members {
        Members {
            own: Arc::clone(&self.own),
            view: self.members.borrow().clone(),
        }
    }

    fn listed(&self, id: ApplicationId) -> Option<Application> {
        let application = self.core.inventory.application(id)?;
        (!application.is_reserved()).then_some(application)
    }

    fn tally(&self, application: ApplicationId) -> Tally {
        let mut tally = Tally::default();
        let mut cursor = None;
        loop {
            let ids = self
                .core
                .inventory
                .instance_ids(Some(application), cursor, STEP);
            cursor = ids.last().copied();
            for id in ids {
                let lease = self.core.lessor.view(id);
                match lease
                    .filter(|lease| !lease.forgotten)
                    .map(|lease| lease.state)
                {
                    Some(State::Up) => tally.up += 1,
                    Some(State::Silent) => tally.silent += 1,
                    Some(State::Down) => tally.down += 1,
                    Some(State::Left) => tally.left += 1,
                    None => {}
                }
            }
            if cursor.is_none() {
                return tally;
            }
        }
    }
}
