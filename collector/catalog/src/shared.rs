//! The state that all use cases share.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicI64},
};

use parking_lot::RwLock;
use rollcall_domain::{
    Moment, Timestamp,
    catalog::{self, Effects, EventKind, Override, Publisher, Registry, Subscriptions},
};
use tokio::sync::{Semaphore, broadcast, watch};

use crate::{
    Change, Clock, Config, Connection, Error, Event, EventSink, bodies::Bodies,
    connections::Connections, durable, ended::Ended, leases::Leases, members::state::Members,
    namespaces::Namespaces, outbox::Subscription, probe::ledger::Probes, push::schedule::Schedule,
    readiness::Readiness, roster::journal::Roster, store::Stores, switches::Switches,
};

/// The service changes that are kept for a slow listener; a still slower one gets `Lagged`.
const SERVICE_CHANGES: usize = 1024;
/// Listings of services that run at the same time; the others wait for their turn.
const LISTINGS: usize = 2;

/// A durable change of the catalog.
pub(crate) type Plan<T> = durable::Plan<Shared, T>;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) registry: RwLock<Registry>,
    pub(crate) subscriptions: RwLock<Subscriptions<Arc<Subscription>>>,
    pub(crate) connections: Connections,
    pub(crate) bodies: Bodies,
    /// One permit for each listing of services that may run at the same time.
    pub(crate) listings: Semaphore,
    pub(crate) schedule: Schedule,
    pub(crate) probes: Probes,
    pub(crate) roster: Roster,
    pub(crate) stores: Stores,
    /// The exchange with the other collectors; `None`: this one is alone.
    pub(crate) members: Option<Members>,
    pub(crate) leases: Leases,
    pub(crate) namespaces: RwLock<Namespaces>,
    pub(crate) switches: RwLock<Arc<Switches>>,
    /// Which switches keep clients from service; `None` if none does.
    pub(crate) switches_problem: watch::Sender<Option<Arc<str>>>,
    pub(crate) kept: RwLock<BTreeMap<String, Vec<u8>>>,
    pub(crate) readiness: Readiness,
    pub(crate) writes: durable::Queue<Self>,
    pub(crate) services: broadcast::Sender<Change>,
    pub(crate) swept_at: AtomicI64,
    pub(crate) ended: Ended,
}

/// Evidence for the events of a change that the registry does not have.
#[derive(Debug, Default)]
struct Evidence {
    /// The client, if its connection was closed before.
    closed: Option<Arc<Connection>>,
    /// What was probed and how it failed.
    failed_probe: Option<Arc<str>>,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        events: Arc<dyn EventSink>,
        writes: durable::Queue<Self>,
        stores: Stores,
    ) -> Self {
        let mut registry = Registry::new(config.limits, config.override_term);
        let members = stores.peers.clone().map(Members::new);
        if let Some(peers) = &stores.peers {
            let now = clock.now().millis();
            let epoch = Timestamp::from_millis(clock.wall().millis() - now);
            registry.share_as(Arc::clone(&peers.own), epoch);
        }
        Self {
            registry: RwLock::new(registry),
            members,
            subscriptions: RwLock::default(),
            connections: Connections::default(),
            bodies: Bodies::new(config.body_cache),
            listings: Semaphore::new(LISTINGS),
            schedule: Schedule::new(config.push_window),
            probes: Probes::default(),
            roster: Roster::new(stores.clone(), config.journal),
            stores,
            leases: Leases::default(),
            namespaces: RwLock::default(),
            switches: RwLock::default(),
            switches_problem: watch::Sender::default(),
            kept: RwLock::default(),
            readiness: Readiness::default(),
            services: broadcast::Sender::new(SERVICE_CHANGES),
            swept_at: AtomicI64::new(clock.now().millis()),
            ended: Ended::default(),
            config,
            clock,
            events,
            writes,
        }
    }

    /// Changes the registry and publishes the effects. Leases change under the same lock, so that no other change sees the registry
    /// and the leases out of step.
    pub(crate) fn change<R>(
        &self,
        change: impl FnOnce(&mut Registry, Moment, &mut Effects) -> R,
    ) -> R {
        self.change_with(&Evidence::default(), change)
    }

    /// Like [`Shared::change`], for a connection that has already been closed. The events name it as their client.
    pub(crate) fn change_for<R>(
        &self,
        closed: &Arc<Connection>,
        change: impl FnOnce(&mut Registry, Moment, &mut Effects) -> R,
    ) -> R {
        let closed = Some(Arc::clone(closed));
        let evidence = Evidence {
            closed,
            ..Evidence::default()
        };
        self.change_with(&evidence, change)
    }

    /// Like [`Shared::change`], for a verdict of a probe, which says how it failed.
    pub(crate) fn change_by_probe<R>(
        &self,
        failed_probe: Option<Arc<str>>,
        change: impl FnOnce(&mut Registry, Moment, &mut Effects) -> R,
    ) -> R {
        let evidence = Evidence {
            failed_probe,
            ..Evidence::default()
        };
        self.change_with(&evidence, change)
    }

    fn change_with<R>(
        &self,
        evidence: &Evidence,
        change: impl FnOnce(&mut Registry, Moment, &mut Effects) -> R,
    ) -> R {
        let mut effects = Effects::default();
        let now = self.clock.now();
        let (result, claims) = {
            let mut registry = self.registry.write();
            let result = change(&mut registry, now, &mut effects);
            for instance in effects.ended.drain(..) {
                self.leases.end(instance);
                if let Some(members) = &self.members {
                    members.ended(instance);
                }
            }
            for instance in effects.granted.drain(..) {
                if let Some(beats) = registry.leased(instance) {
                    self.leases.grant(instance, beats, now);
                }
            }
            (result, registry.claims())
        };
        if let Some(members) = self.members.as_ref().filter(|_| !effects.claims.is_empty()) {
            members.publish(effects.claims.drain(..), claims);
        }
        if let Some(members) = &self.members {
            members.leave_out(effects.left_out);
        }
        if !effects.is_empty() {
            self.publish(effects, evidence, now);
        }
        result
    }

    /// Makes a change durable, then applies it. `plan` returns the rows to write, from the state at that time.
    pub(crate) async fn durably<T: Send + 'static>(
        &self,
        touches: String,
        plan: impl FnOnce(&Self) -> Result<Plan<T>, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.writes.submit(touches, plan).await
    }

    pub(crate) fn switches(&self) -> Arc<Switches> {
        Arc::clone(&self.switches.read())
    }

    /// Replaces the switches. Changes that were not pushed while pushes were off are pushed when they are on again.
    pub(crate) fn set_switches(&self, switches: Switches) {
        let turns_on = {
            let mut present = self.switches.write();
            let turns_on = switches.push_enabled && !present.push_enabled;
            let problem = switches.problem().map(Arc::from);
            self.switches_problem.send_replace(problem);
            *present = Arc::new(switches);
            turns_on
        };
        if turns_on {
            self.schedule_all();
        }
    }

    /// Schedules a push of each service with subscriptions. A subscriber that has the current state gets no push.
    pub(crate) fn schedule_all(&self) {
        let services: Vec<_> = self.subscriptions.read().services().cloned().collect();
        for service in services {
            self.schedule.changed(&service, self.clock.now());
        }
    }

    fn publish(&self, effects: Effects, evidence: &Evidence, now: Moment) {
        for instance in &effects.persistent {
            self.probes.add(*instance, now);
        }
        if !self.readiness.is_draining() {
            self.schedule_pushes(&effects, now);
            // The exchange has the instances of this collector, also for its next run.
            if self.members.is_none() {
                self.roster.changed(&effects, &self.registry);
            }
        }
        for service in effects.appeared {
            self.report(Change::Appeared(service));
        }
        for service in effects.vanished {
            self.report(Change::Vanished(service));
        }
        let at = self.clock.wall();
        for event in effects.events {
            let closed = evidence.closed.clone();
            let client = closed.or_else(|| self.client(&event.publisher));
            let overridden = self.overridden(&event);
            self.events.record(Event {
                at,
                event,
                client,
                overridden,
                failed_probe: evidence.failed_probe.clone(),
            });
        }
    }

    /// Schedules pushes of the changed services that have subscriptions. A client that subscribes later reads the changed state
    /// then.
    fn schedule_pushes(&self, effects: &Effects, now: Moment) {
        let subscriptions = self.subscriptions.read();
        for service in &effects.changed {
            if subscriptions.has_any(service) {
                self.schedule.changed(service, now);
            }
        }
    }

    fn overridden(&self, event: &catalog::Event) -> Option<Arc<Override>> {
        if event.what != EventKind::Overridden {
            return None;
        }
        let registry = self.registry.read();
        registry
            .overridden(&event.service, &event.endpoint)
            .cloned()
    }

    fn client(&self, publisher: &Publisher) -> Option<Arc<Connection>> {
        match publisher {
            Publisher::Connection(id) => self.connections.get(*id),
            Publisher::Address { .. }
            | Publisher::Operator
            | Publisher::Restored
            | Publisher::Member(_) => None,
        }
    }

    fn report(&self, change: Change) {
        if self.services.send(change).is_err() {
            tracing::trace!("no listener for new and removed services");
        }
    }
}
