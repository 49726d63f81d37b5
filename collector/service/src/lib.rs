//! The use cases that all protocol faces share. A face converts the request, calls a use case, and converts the answer.

#![warn(missing_docs)]

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Allocator, Count, Dictionary, Inventory},
    liveness::{Lessor, Terms},
    membership::{Tag, View},
};
use rollcall_limits::{Budget, Work};
use rollcall_link::Links;
use rollcall_metrics::{Levels, Metrics};
use rollcall_runtime::Clock;
use rollcall_storage::Storage;
use tokio::sync::watch;

use events::Events;
use listening::{Beginning, Listening};
use members::Names;
pub use members::{Departure, Witness};
use stray::Strays;
use write_back::Changes;

pub mod backup;
mod clocks;
pub mod events;
mod forget;
pub mod heartbeat;
pub mod listening;
mod members;
pub mod naming;
pub mod progress;
pub mod readiness;
pub mod register;
pub mod roster;
mod signs;
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
    /// Settings of the writer and limits on new ids.
    pub register: register::Config,
    /// Elements that one message may have.
    pub max_batch: usize,
    /// Bytes that messages may use while they are processed.
    pub work_memory: usize,
    /// The largest message, in bytes. One peer may always have one of them processed.
    pub largest_message: usize,
    /// Settings of the search for expired leases.
    pub sweep: sweep::Config,
    /// Settings of the write-back of last-seen times to the store.
    pub write_back: write_back::Config,
    /// Settings of the period without new ids after a lost store.
    pub listening: listening::Config,
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
    /// The clock of all leases and events.
    pub clock: Clock,
    /// The inventory, as the store has it.
    pub allocator: Allocator,
    /// The leases of the instances in the inventory.
    pub lessor: Leases,
    /// The open store. Only the writer uses it.
    pub storage: Box<dyn Storage>,
    /// Whether the store replaces one that was lost.
    pub is_lost: bool,
    /// Selects the collector that commits new registrations, if the store is shared.
    pub owner: Option<Arc<dyn register::Owner>>,
    /// The metrics that the use cases count in.
    pub metrics: Metrics,
    /// Where events are recorded.
    pub events: events::Feed,
    /// The address that identifies this collector among the members.
    pub own: Arc<str>,
    /// The collectors, now and after every change.
    pub members: watch::Receiver<Arc<View>>,
}

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
    /// Announces that this collector is about to stop. From now on it closes connections itself, so their ends are not evidence
    /// about instances.
    pub fn stopping(&self) {
        self.core.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Leaves the memory of the inventory and of the leases to the operating system, because the process is about to end: to free
    /// millions of entries one by one takes seconds.
    pub fn leave_memory(&self) {
        mem::forget(Arc::clone(&self.core.inventory));
        mem::forget(Arc::clone(&self.core.lessor));
    }

    /// The time that the last write-back takes at most, which follows the number of instances.
    #[must_use]
    pub fn last_write_back(&self) -> Duration {
        write_back::last_round(self.core.instances())
    }

    /// Records that an operator (`who`: an address or a user) did `what` to `target`.
    pub fn operated(&self, who: &str, what: &str, target: &str) {
        let event = events::CollectorEvent::Operator {
            who: who.to_owned(),
            what: what.to_owned(),
            target: target.to_owned(),
        };
        self.events.collector(self.wall(), event);
    }

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
    /// Marks instances whose leases expired.
    pub sweeper: sweep::Sweeper,
    /// Stores the times of last signals.
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
        is_lost,
        owner,
        metrics,
        events,
        own,
        members,
    } = foundation;
    let readiness = readiness::Readiness::default();
    metrics.watch(readiness.clone());
    let store = beginning(&allocator, is_lost);
    let listening = Listening::new(config.listening, store, readiness.clone(), &metrics);
    show(&events, &metrics);
    let core = Core {
        inventory: allocator.inventory(),
        listening: Arc::new(listening),
        strays: Arc::new(Strays::new(&metrics)),
        lessor: Arc::new(lessor),
        clock,
        names: Names::restored(&events),
        events: Events::new(events),
        changes: Changes::new(config.write_back.shared),
        own: Tag::of(&own),
        is_stopping: Arc::default(),
    };
    let (register, writer) = register::build(
        &config.register,
        core.clone(),
        allocator,
        storage,
        owner,
        readiness.clone(),
        metrics.clone(),
    );
    let links = Links::new(Arc::new(core.clone()));
    let watched = (members.clone(), links.clone());
    let (naming, follower) = naming::build(&members);
    let workers = Workers {
        naming: follower,
        writer,
        sweeper: sweep::Sweeper::new(&config.sweep, &core, &readiness, watched),
        write_back: write_back::WriteBack::new(&config.write_back, &core, &register),
    };
    let services = Services {
        heartbeat: heartbeat::Handle::new(register.clone()),
        register,
        naming,
        events: core.events.feed().clone(),
        roster: roster::Roster::new(core.clone(), own, members),
        readiness,
        work: work(config, &metrics),
        metrics,
        links,
        core,
    };
    (services, workers)
}

/// Whether agents may hold ids that this inventory does not have.
fn beginning(allocator: &Allocator, is_lost: bool) -> Beginning {
    let inventory = allocator.inventory();
    // A store that has adopted ids and assigned none is that of a collector that was stopped while it listened. Agents of 8.0 and
    // later use no ids, and are registered also while it listens.
    let mut counts = Dictionary::ALL.iter().map(|each| inventory.count(*each));
    let has_adopted = counts.any(|count| count.adopted > 0);
    // If the allocator starts above the ids of an earlier inventory, it assigns no id that agents still hold.
    if allocator.has_assigned() {
        Beginning::Known
    } else if is_lost || has_adopted {
        Beginning::Lost
    } else {
        Beginning::Empty
    }
}

/// Adds the metrics of the event feed.
fn show(feed: &events::Feed, metrics: &Metrics) {
    metrics.watch(feed.clone());
    for budget in feed.budgets() {
        metrics.show_budget(budget.clone());
    }
}

fn work(config: &Config, metrics: &Metrics) -> Work {
    let largest = Work::largest(config.largest_message, config.max_batch);
    let memory = Budget::with_largest("work", config.work_memory, largest);
    metrics.show_budget(memory.clone());
    let refused = metrics.refusals("max_batch", rollcall_limits::work::MAX_BATCH);
    Work::new(config.max_batch, memory, refused)
}

/// The state that the use cases share.
#[derive(Clone, Debug)]
struct Core {
    inventory: Arc<Inventory>,
    lessor: Arc<Leases>,
    clock: Clock,
    events: Events,
    /// The instances whose change of state the write-back is about to write.
    changes: Changes,
    listening: Arc<Listening>,
    strays: Arc<Strays>,
    names: Names,
    /// The tag of this collector.
    own: Tag,
    is_stopping: Arc<AtomicBool>,
}

impl Core {
    /// The number of instances in the inventory.
    fn instances(&self) -> usize {
        let Count { keyed, adopted } = self.inventory.count(Dictionary::Instances);
        keyed.saturating_add(adopted)
    }
}
