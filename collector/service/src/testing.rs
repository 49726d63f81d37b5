//! The use cases on a store in memory, for the tests of the crates that call them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rollcall_domain::properties::Caps;
use rollcall_domain::{
    inventory::{Allocator, Limits},
    liveness::{MassConfig, Terms},
    membership::View,
};
use rollcall_metrics::Metrics;
use rollcall_runtime::Clock;
use rollcall_storage::{Storage, memory::Memory};
use tokio::sync::watch;

use super::{
    Config, Foundation, Leases, Services, Workers, build, events, leases, listening, register,
    sweep, write_back,
};

/// The longest wait of a registration.
pub const DEADLINE: Duration = Duration::from_secs(1);
/// The most registrations that wait for the writer.
pub const QUEUE_CAPACITY: usize = 16;
/// The greatest length of a key.
pub const MAX_KEY_BYTES: usize = 255;
/// The terms of the leases.
pub const TERMS: Terms = Terms {
    silent_after: Duration::from_secs(120),
    down_after: Duration::from_secs(300),
    relay: Duration::from_secs(60),
    spread: Duration::ZERO,
    forget_after: Duration::from_secs(604_800),
};
/// New ids for each peer.
pub const RATES: register::RateLimits = register::RateLimits {
    per_second: 10,
    burst: 100,
};
/// The most ids that one message may contain.
pub const MAX_HELD: usize = 8;
/// The limits of the properties of an instance.
pub const CAPS: Caps = Caps {
    count: 8,
    name_bytes: 64,
    value_bytes: 512,
    total_bytes: 1024,
};
/// The most elements of a message.
pub const MAX_BATCH: usize = 20_000;
/// The pause between two sweeps.
pub const TICK: Duration = Duration::from_secs(1);
/// The conditions under which a mass silence is reported.
pub const MASS: MassConfig = MassConfig {
    window: Duration::from_secs(10),
    instances: 5,
    percent: 50,
};
/// The pause between two sweeps that counts as a stall.
pub const STALL: Duration = Duration::from_secs(5);

/// Use cases that work while the fixture lives. No lease expires, because no sweeper runs.
#[derive(Debug)]
pub struct Fixture {
    /// The use cases.
    pub services: Services,
    /// Changes the view of the collectors.
    pub members: watch::Sender<Arc<View>>,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Running(JoinHandle<Result<(), register::Failure>>),
    /// Never runs: a call that needs it waits until its deadline.
    Stalled {
        _writer: Box<register::Writer>,
    },
    Stopped,
}

impl Fixture {
    /// Use cases on an empty store.
    pub fn start() -> Self {
        Self::restored(|_, _| {})
    }

    /// Use cases on an inventory that `restore` fills.
    pub fn restored(restore: impl FnOnce(&mut Allocator, &Leases)) -> Self {
        let (mut fixture, writer) = Self::built(1024, Duration::from_secs(30), restore);
        fixture.writer = Writer::Running(thread::spawn(|| writer.run()));
        fixture
    }

    /// Use cases with a writer that does nothing: calls for new keys wait until their deadline, and stay in the queue.
    pub fn stalled(queue_capacity: usize) -> Self {
        let (mut fixture, writer) =
            Self::built(queue_capacity, Duration::from_millis(20), |_, _| {});
        fixture.writer = Writer::Stalled {
            _writer: Box::new(writer),
        };
        fixture
    }

    /// Ends the writer, as when the collector stops.
    pub fn stop(&mut self) {
        if let Writer::Running(writer) = std::mem::replace(&mut self.writer, Writer::Stopped) {
            self.services.register.stop();
            writer.join().unwrap().unwrap();
        }
    }

    fn built(
        queue_capacity: usize,
        deadline: Duration,
        restore: impl FnOnce(&mut Allocator, &Leases),
    ) -> (Self, register::Writer) {
        let (members, watch) = watch::channel(Arc::default());
        let config = config(queue_capacity, deadline);
        let (services, workers) = build(&config, foundation(Memory::default(), watch, restore));
        let fixture = Self {
            services,
            members,
            writer: Writer::Stopped,
        };
        (fixture, workers.writer)
    }
}

/// The use cases on `storage`, with workers that the test runs itself.
pub fn parts(storage: impl Storage) -> (Services, Workers) {
    parts_with(storage, None)
}

/// As [`parts`], with one stored change of an instance per `interval`.
pub fn parts_paced(storage: impl Storage, interval: Duration) -> (Services, Workers) {
    let (_, members) = watch::channel(Arc::default());
    let mut config = config(QUEUE_CAPACITY, DEADLINE);
    config.register.change_interval = interval;
    build(&config, foundation(storage, members, |_, _| {}))
}

/// As [`parts`], with `owner` that may commit new registrations.
pub fn parts_with(
    storage: impl Storage,
    owner: Option<Arc<dyn register::Owner>>,
) -> (Services, Workers) {
    let (_, members) = watch::channel(Arc::default());
    let config = config(QUEUE_CAPACITY, DEADLINE);
    let foundation = Foundation {
        owner,
        ..foundation(storage, members, |_, _| {})
    };
    build(&config, foundation)
}

fn config(queue_capacity: usize, deadline: Duration) -> Config {
    Config {
        register: register::Config {
            queue_capacity,
            deadline,
            max_key_bytes: MAX_KEY_BYTES,
            batch_rows: 1024,
            change_interval: Duration::ZERO,
            rates: RATES,
            max_held_per_message: MAX_HELD,
            properties: CAPS,
        },
        max_batch: MAX_BATCH,
        work_memory: 64 << 20,
        largest_message: 1 << 20,
        sweep: sweep::Config {
            tick: TICK,
            limit: 1024,
            stall: STALL,
            mass: MASS,
            suspect: sweep::Suspect::default(),
        },
        write_back: write_back::Config {
            interval: Duration::from_secs(10),
            chunk: 2,
            last_chunk: 3,
            shared: false,
        },
        listening: listening::Config {
            mode: listening::Mode::Never,
            period: Duration::from_secs(60),
        },
    }
}

fn feed() -> events::Feed {
    let config = events::Config {
        backlog: 16,
        per_instance: 16,
        per_peer: 10_000,
        memory: 1 << 20,
        journal_size: 0,
    };
    events::Feed::new(&config, 1_000)
}

fn foundation(
    storage: impl Storage,
    members: watch::Receiver<Arc<View>>,
    restore: impl FnOnce(&mut Allocator, &Leases),
) -> Foundation {
    let mut allocator = Allocator::new(Limits {
        assigned: 1 << 20,
        adopted: 16,
        bytes: usize::MAX,
    });
    let lessor = leases(TERMS, allocator.inventory());
    restore(&mut allocator, &lessor);
    Foundation {
        clock: Clock::start(),
        allocator,
        lessor,
        storage: Box::new(storage),
        is_lost: false,
        owner: None,
        metrics: Metrics::new(),
        events: feed(),
        own: "b:11800".into(),
        members,
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop();
    }
}
