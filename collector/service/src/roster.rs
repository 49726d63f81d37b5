//! Applications and instances with their states, for the query API.

use std::sync::Arc;

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Application, Count, Dictionary, ListPosition},
    liveness::Counts,
    membership::View,
};
use tokio::sync::watch;

use super::{
    Core,
    events::{InstanceEvent, connection},
};

mod exposition;
mod filter;
mod names;
mod status;
mod turn;

pub use exposition::ByApplication;
pub use filter::{ApplicationFilter, Filter};
pub use names::InstanceNames;
pub use status::{ApplicationStatus, InstanceStatus};
pub use turn::Turn;

/// Answers queries about applications, instances and collectors. Cheap to clone. It reads lists in bounded steps and never
/// delays a registration.
#[derive(Clone, Debug)]
pub struct Roster {
    core: Core,
    own: Arc<str>,
    members: watch::Receiver<Arc<View>>,
}

/// The collectors in the view of this one.
#[derive(Clone, Debug)]
pub struct Members {
    /// The address of this collector.
    pub own: Arc<str>,
    /// The collectors, this one included once it has joined.
    pub view: Arc<View>,
}

/// A part of a list, and the start of the next part.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    /// The entries, in the order of the list.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<C>,
}

/// Entries that one step of a search reads.
const STEP: usize = 1024;
/// Entries that a search examines before it reads the clock again: about 20 us of work.
const TURN: usize = 64;

impl Roster {
    pub(super) fn new(core: Core, own: Arc<str>, members: watch::Receiver<Arc<View>>) -> Self {
        Self { core, own, members }
    }

    /// At most `limit` applications after `cursor`, in the order of their rows, without the reserved one. The instances whose
    /// application was never reported form one entry at 0, between negative and positive ids.
    #[must_use]
    pub fn applications(&self, cursor: Option<i32>, limit: usize) -> Page<ApplicationStatus, i32> {
        let Page { items, next } = self.rows(cursor, limit);
        let items = items.into_iter().map(|(_, row)| self.status(row)).collect();
        Page { items, next }
    }

    /// As [`Roster::applications`], but only those that a filter keeps. It may examine every application, so call it on a thread
    /// that may block.
    #[must_use]
    pub fn applications_where(
        &self,
        filter: &ApplicationFilter,
        mut cursor: Option<i32>,
        limit: usize,
    ) -> Page<ApplicationStatus, i32> {
        let mut kept = Vec::new();
        let mut examined = 0;
        let mut turn = Turn::begin();
        loop {
            let page = self.rows(cursor, STEP);
            cursor = page.next;
            for (id, row) in page.items {
                // One more than `limit` shows whether there is a next page.
                if kept.len() > limit {
                    break;
                }
                let status = self.status(row);
                if filter.keeps(&status) {
                    kept.push((id, status));
                }
                examined += 1;
                if examined % TURN == 0 {
                    turn.pass();
                }
            }
            if cursor.is_none() || kept.len() > limit {
                break;
            }
        }
        let is_last = kept.len() <= limit;
        kept.truncate(limit);
        let next = kept.last().map(|(id, _)| *id).filter(|_| !is_last);
        let items = kept.into_iter().map(|(_, status)| status).collect();
        Page { items, next }
    }

    /// The rows of [`Roster::applications`], each with its place in the list.
    fn rows(&self, cursor: Option<i32>, limit: usize) -> Page<(i32, Option<Application>), i32> {
        // One more than `limit` shows whether there is a next page.
        let more = limit.saturating_add(1);
        let after = cursor.and_then(|cursor| ApplicationId::new(cursor).or(ApplicationId::new(-1)));
        let rows = self.core.inventory.applications(after, more);
        let mut rows: Vec<(i32, Option<Application>)> = rows
            .into_iter()
            .map(|row| (row.id.get(), Some(row)))
            .collect();
        if cursor.is_none_or(|cursor| cursor < 0) && self.has_unknown() {
            let position = rows.partition_point(|(id, _)| *id < 0);
            rows.insert(position, (0, None));
        }
        let is_last = rows.len() <= limit;
        rows.truncate(limit);
        let next = rows.last().map(|(id, _)| *id).filter(|_| !is_last);
        Page { items: rows, next }
    }

    /// The status of an application, by its row's id or the id that agents receive; `None` selects the instances whose application
    /// was never reported.
    #[must_use]
    pub fn application(&self, id: Option<ApplicationId>) -> Option<ApplicationStatus> {
        match id {
            Some(id) => self.listed(id).map(|row| self.status(Some(row))),
            None => self.has_unknown().then(|| self.status(None)),
        }
    }

    /// Whether there is such an application; cheaper than reading its status.
    #[must_use]
    pub fn has_application(&self, id: ApplicationId) -> bool {
        self.listed(id).is_some()
    }

    /// The status of the application with this code.
    #[must_use]
    pub fn application_named(&self, code: &str) -> Option<ApplicationStatus> {
        self.application(Some(self.core.inventory.application_id(code)?))
    }

    /// At most `limit` instances of an application after `cursor`, in the order of their ids. `application` is `None` for
    /// instances whose application was never reported. The page holds ids only: the caller reads each instance with
    /// [`Roster::instance`], so that no list holds the properties of all instances.
    #[must_use]
    pub fn instances(
        &self,
        application: Option<ApplicationId>,
        filter: &Filter,
        cursor: Option<InstanceId>,
        limit: usize,
    ) -> Page<InstanceId, InstanceId> {
        let inventory = &self.core.inventory;
        let application = application.map(|id| inventory.canonical(id));
        let ids = |after, count| inventory.instance_ids(application, after, count);
        self.filtered(ids, |id| *id, filter, cursor, limit)
    }

    /// At most `limit` instances of all applications after `cursor`, ordered by application and then by id. The caller reads each
    /// with [`Roster::instance`]. It may examine every instance, so call it on a thread that may block.
    #[must_use]
    pub fn all_instances(
        &self,
        filter: &Filter,
        cursor: Option<ListPosition>,
        limit: usize,
    ) -> Page<ListPosition, ListPosition> {
        let inventory = &self.core.inventory;
        let positions = |after, count| inventory.positions(after, count);
        self.filtered(
            positions,
            |position| position.instance,
            filter,
            cursor,
            limit,
        )
    }

    /// A page of the instances that match a filter; `read` returns the next unfiltered ones.
    fn filtered<C: Copy>(
        &self,
        read: impl Fn(Option<C>, usize) -> Vec<C>,
        instance: impl Fn(&C) -> InstanceId,
        filter: &Filter,
        mut cursor: Option<C>,
        limit: usize,
    ) -> Page<C, C> {
        // One more than `limit` shows whether there is a next page.
        let more = limit.saturating_add(1);
        let mut listed = Vec::new();
        let mut turn = Turn::begin();
        loop {
            let step = STEP.max(more);
            let positions = read(cursor, step);
            let is_last = positions.len() < step;
            cursor = positions.last().copied();
            for part in positions.chunks(TURN) {
                let part = part.iter().copied();
                listed.extend(part.filter(|position| self.matches(filter, instance(position))));
                turn.pass();
            }
            if is_last || listed.len() >= more {
                break;
            }
        }
        let is_last = listed.len() <= limit;
        listed.truncate(limit);
        let next = listed.last().copied().filter(|_| !is_last);
        Page {
            items: listed,
            next,
        }
    }

    /// Whether the instance passes this filter.
    fn matches(&self, filter: &Filter, id: InstanceId) -> bool {
        let lease = self.core.lessor.view(id);
        let in_state = lease.is_some_and(|lease| match &filter.states {
            None => !lease.forgotten,
            Some(states) => states.contains(&lease.state),
        });
        if !in_state || !filter.reads_instances() {
            return in_state;
        }
        let known = self.core.inventory.read_instance(id, |it| filter.keeps(it));
        known.unwrap_or(false)
    }

    /// The status of an instance.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<InstanceStatus> {
        let mut instance = self.core.inventory.instance(id)?;
        let shown = |id| self.core.inventory.shown(self.core.inventory.canonical(id));
        instance.application = instance.application.map(shown);
        let lease = self.core.lessor.view(id)?;
        let (clock, feed) = (&self.core.clock, self.core.events.feed());
        Some(InstanceStatus {
            instance,
            state: lease.state,
            since: status::since(&self.core, id, &lease),
            last_seen: clock.wall_at(lease.last_seen),
            signal: lease.signal,
            relayed: lease.relayed,
            usual: lease.usual,
            is_slow: lease.usual > self.core.lessor.terms().silent_after,
            terms: self.core.lessor.terms().of(lease.usual),
            connection: connection(&self.core, lease.contact),
            peer: feed.last(id, u64::MAX, InstanceEvent::peer),
            clock_skew: feed.last_at(id, InstanceEvent::clock_skew),
            silence: clock.now().since(lease.last_seen),
            own: Arc::clone(&self.own),
            witness: self.witness(lease.observer),
            forgotten: lease.forgotten,
        })
    }

    /// The number of instances in each state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.core.lessor.counts()
    }

    /// The number of entries of a dictionary.
    #[must_use]
    pub fn entries(&self, dictionary: Dictionary) -> Count {
        self.core.inventory.count(dictionary)
    }

    /// The code of an application; `None` if no agent has reported it.
    #[must_use]
    pub fn code(&self, application: ApplicationId) -> Option<Arc<str>> {
        let inventory = &self.core.inventory;
        inventory
            .application(inventory.canonical(application))?
            .code
    }

    /// The collectors.
    #[must_use]
    pub fn members(&self) -> Members {
        Members {
            own: Arc::clone(&self.own),
            view: self.members.borrow().clone(),
        }
    }

    /// The row of the application with this id or alias, unless it is the reserved one.
    fn listed(&self, id: ApplicationId) -> Option<Application> {
        let inventory = &self.core.inventory;
        let application = inventory.application(inventory.canonical(id))?;
        (!application.is_reserved()).then_some(application)
    }

    /// The status of an application, under the id that agents receive.
    fn status(&self, row: Option<Application>) -> ApplicationStatus {
        let inventory = &self.core.inventory;
        let instances = self.core.lessor.tally(row.as_ref().map(|row| row.id));
        let first = || inventory.instances(None, None, 1).into_iter().next();
        let registered_at = match &row {
            Some(row) => row.registered_at,
            None => first().map_or(Timestamp::from_millis(0), |first| first.registered_at),
        };
        let application = row.map(|row| Application {
            id: inventory.shown(row.id),
            ..row
        });
        ApplicationStatus {
            application,
            registered_at,
            instances,
        }
    }

    /// Whether there are instances whose application was never reported.
    fn has_unknown(&self) -> bool {
        !self.core.inventory.instance_ids(None, None, 1).is_empty()
    }
}
