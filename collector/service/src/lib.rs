//! The use cases that all protocol faces share. A face converts the request, calls a use case, and converts the answer.

use std::{sync::Arc, time::Duration};

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Allocator, Count, Dictionary, Inventory},
    liveness::{Cause, Closed, ConnectionId, LeaseRecord, Lessor, Renewal, Signal, State, Terms},
    membership::View,
};
use rollcall_limits::{Budget, Work};
use rollcall_link::{self as link, Links};
use rollcall_metrics::{Levels, Metrics};
use rollcall_runtime::Clock;
use rollcall_storage::{LastSeen, Storage};
use tokio::sync::watch;

use listening::Listening;
use register::InstanceName;
use stray::Strays;

pub mod events;
pub mod heartbeat;
pub mod listening;
pub mod naming;
pub mod progress;
pub mod readiness;
pub mod register;
pub mod roster;
mod stray;
pub mod sweep;
pub mod write_back;

#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;

/// Limits and periods of the use cases.
#[derive(Clone, Debug)]
pub struct Config {
    pub register: register::Config,
    /// Elements that one message may have.
    pub max_batch: usize,
    /// Bytes that messages may use while they are processed.
    pub work_memory: usize,
    pub sweep: sweep::Config,
    pub write_back: write_back::Config,
    pub listening: listening::Config,
    /// Events kept for a slow subscriber; the oldest are dropped first.
    pub event_backlog: usize,
}

/// The leases of all instances, counted by application.
pub type Leases = Lessor<InstanceId, Option<ApplicationId>>;

/// An empty set of leases, counted by the applications of an inventory.
#[must_use]
pub fn leases(terms: Terms, inventory: Arc<Inventory>) -> Leases {
    Leases::grouped(terms, move |instance| inventory.application_of(instance))
}

/// The dependencies of the use cases, restored and ready.
#[derive(Debug)]
pub struct Foundation {
    pub clock: Clock,
    pub allocator: Allocator,
    pub lessor: Leases,
    pub storage: Box<dyn Storage>,
    /// Selects the collector that commits new registrations, if the store is shared.
    pub owners: Option<Arc<dyn register::Owners>>,
    pub metrics: Metrics,
    /// The address that identifies this collector among the members.
    pub own: Arc<str>,
    /// The collectors, now and after every change.
    pub members: watch::Receiver<Arc<View>>,
}

/// Two recorded times of one signal may differ by this much, because the wall clock is adjusted.
const SAME_TIME: Duration = Duration::from_secs(1);

/// All use cases, for the faces. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Services {
    /// Ids for names.
    pub register: register::Handle,
    /// Signs of life.
    pub heartbeat: heartbeat::Handle,
    /// The lists of collectors.
    pub naming: naming::Handle,
    /// Applications and instances with their states, for the query API.
    pub roster: roster::Roster,
    /// The event feed behind `/api/events`.
    pub events: events::Feed,
    /// Whether this collector accepts traffic, and if not, why.
    pub readiness: readiness::Readiness,
    /// The limits for messages while they are read and written.
    pub work: Work,
    /// All counters and gauges.
    pub metrics: Metrics,
    /// Links for the connections of agents: the end of a connection is recorded for the instances that were seen on it.
    pub links: Links,
    core: Core,
}

impl Services {
    /// The current wall-clock time.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.core.clock.wall()
    }

    /// The exposition text (OpenMetrics) of every counter and gauge.
    #[must_use]
    pub fn exposition(&self) -> String {
        self.metrics.encode(&Levels {
            inventory: &self.core.inventory,
            leases: self.core.lessor.counts(),
            slow: self.core.lessor.slow().map_or(0, |slow| slow.count),
            members: &self.roster.members().view,
            is_coordinated: !self.readiness.is_degraded(readiness::CLUSTER),
            queue_depth: self.register.queue_depth(),
            queue_capacity: self.register.queue_capacity(),
            event_subscribers: self.events.readers(),
        })
    }
}

/// The workers that the use cases need.
#[derive(Debug)]
pub struct Workers {
    /// Runs on a separate thread; ends after [`register::Handle::stop`].
    pub writer: register::Writer,
    pub sweeper: sweep::Sweeper,
    pub write_back: write_back::WriteBack,
    /// Starts once this collector is a member.
    pub naming: naming::Follower,
}

/// Builds the use cases and their workers.
#[must_use]
pub fn build(config: &Config, foundation: Foundation) -> (Services, Workers) {
    let Foundation {
        clock,
        allocator,
        lessor,
        storage,
        owners,
        metrics,
        own,
        members,
    } = foundation;
    let readiness = readiness::Readiness::default();
    let inventory = allocator.inventory();
    // If the allocator starts above the ids of an earlier inventory, it assigns no id that agents still hold.
    let is_empty = !allocator.draws_later()
        && Dictionary::ALL
            .iter()
            .all(|dictionary| inventory.count(*dictionary) == Count::default());
    let listening = Listening::new(config.listening, is_empty, readiness.clone(), &metrics);
    let core = Core {
        inventory,
        listening: Arc::new(listening),
        strays: Arc::new(Strays::new(&metrics)),
        lessor: Arc::new(lessor),
        clock,
        events: events::Feed::new(config.event_backlog),
    };
    let (register, writer) = register::build(
        &config.register,
        core.clone(),
        allocator,
        storage,
        owners,
        readiness.clone(),
        metrics.clone(),
    );
    let (naming, follower) = naming::build(&members);
    let workers = Workers {
        naming: follower,
        writer,
        sweeper: sweep::Sweeper::new(config.sweep.clone(), core.clone(), readiness.clone()),
        write_back: write_back::WriteBack::new(
            config.write_back.clone(),
            core.clone(),
            register.clone(),
        ),
    };
    let services = Services {
        heartbeat: heartbeat::Handle::new(register.clone()),
        register,
        naming,
        events: core.events.clone(),
        roster: roster::Roster::new(core.clone(), own, members),
        readiness,
        work: work(config, &metrics),
        metrics,
        links: Links::new(Arc::new(core.clone())),
        core,
    };
    (services, workers)
}

fn work(config: &Config, metrics: &Metrics) -> Work {
    let memory = Budget::new("work", config.work_memory);
    metrics.show_budget(memory.clone());
    Work::new(config.max_batch, memory, metrics.refusals("max_batch"))
}

/// The state that the use cases share.
#[derive(Clone, Debug)]
struct Core {
    inventory: Arc<Inventory>,
    lessor: Arc<Leases>,
    clock: Clock,
    events: events::Feed,
    listening: Arc<Listening>,
    strays: Arc<Strays>,
}

impl Core {
    /// Refuses, counts and publishes a sign of life with the id of an instance whose agent uses no ids. Such a sign comes from
    /// another process, which holds the id from an earlier store.
    fn admit(&self, id: InstanceId) -> Result<(), register::Error> {
        if self.inventory.is_announced(id) {
            return Ok(());
        }
        if self.strays.observe() {
            self.events.stray(self, id);
        }
        Err(if id.is_internal() {
            register::Error::NotAnInstance(id)
        } else {
            register::Error::NotAnnounced(id)
        })
    }

    /// Renews the lease of an instance, and publishes the change if the instance was not up; `false` if it has no lease.
    fn renew(&self, id: InstanceId, signal: Signal) -> bool {
        let now = self.clock.now();
        let over_connection = link::current(|seen| {
            let (renewal, is_new) = self.lessor.renew_on(seen.connection(), id, signal, now)?;
            if is_new {
                seen.remember(id);
            }
            Some(renewal)
        });
        let renewal = over_connection.unwrap_or_else(|| self.lessor.renew(id, signal, now));
        match renewal {
            Some(renewal) => {
                self.publish(id, renewal);
                true
            }
            None => false,
        }
    }

    /// Renews the lease of a recorded instance, or grants its first one.
    fn renew_or_grant(&self, id: InstanceId, signal: Signal) {
        if !self.renew(id, signal) {
            let renewal = self.lessor.grant(id, signal, self.clock.now());
            self.publish(id, renewal);
            // Records the connection, too.
            self.renew(id, signal);
        }
    }

    /// Whether an instance has no lease because it was never seen. It may still be recorded: other instances mentioned it, or the
    /// store became unavailable between its adoption and its first sign.
    fn is_unseen(&self, id: InstanceId) -> bool {
        self.lessor.view(id).is_none()
    }

    /// Records that an instance has left; `false` if it has no lease.
    fn leave(&self, id: InstanceId) -> bool {
        match self.lessor.leave(id, self.clock.now()) {
            Some(renewal) => {
                self.publish(id, renewal);
                true
            }
            None => false,
        }
    }

    /// Applies the report of another collector about an instance.
    fn relay(&self, seen: LastSeen) {
        let reported = LeaseRecord {
            key: seen.instance,
            last_seen: self.clock.moment_of(seen.last_seen),
            signal: seen.signal,
            state: seen.state,
            usual: seen.usual,
        };
        let renewal = self.lessor.relay(reported, self.clock.now());
        self.publish(seen.instance, renewal);
    }

    /// Whether this collector lacks a fact that it read from the store before and that no later signal would supply: that the
    /// instance exists, or that it is down or left. A lost signal needs no repair: the next signal replaces it, or the lease
    /// expires.
    ///
    /// Evidence later than the store's is not a lack: it may have come from another collector directly and reach the store soon.
    fn knows_less(&self, seen: LastSeen) -> bool {
        let Some(known) = self.lessor.view(seen.instance) else {
            return true;
        };
        let reported = self.clock.moment_of(seen.last_seen);
        let is_later = known.last_seen > reported.after(SAME_TIME);
        seen.state >= State::Down && known.state < seen.state && known.relayed && !is_later
    }

    /// The id of the instance that is recorded under these names.
    fn instance_named(&self, name: InstanceName<'_>) -> Option<InstanceId> {
        let application = self.inventory.application_id(name.service)?;
        self.inventory.named_instance_id(application, name.instance)
    }

    fn publish(&self, id: InstanceId, renewal: Renewal<InstanceId>) {
        match renewal {
            Renewal::Kept => {}
            Renewal::Granted => self.events.granted(self, id),
            Renewal::Changed(transition) => self.events.changed(self, &transition),
        }
    }
}

impl link::Observer for Core {
    fn closed(&self, connection: ConnectionId, seen: &[InstanceId], cause: Cause) {
        let closed = Closed {
            at: self.clock.now(),
            cause,
        };
        for instance in seen {
            self.lessor.close(*instance, connection, closed);
        }
    }
}
