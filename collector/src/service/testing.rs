//! The use cases on a store in memory, for the tests of those who call them.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rollcall_domain::{
    inventory::{Allocator, Limits},
    liveness::{Lessor, Terms},
    membership::View,
};
use tokio::sync::watch;

use super::{Config, Foundation, Services, build, register, sweep, write_back};
use crate::{
    clock::Clock,
    storage::{Error, memory::Memory},
};

/// Use cases that work as long as this lives. Nothing expires, since nothing sweeps.
pub(crate) struct Fixture {
    pub(crate) services: Services,
    /// Changes what the roster knows of the collectors.
    pub(crate) members: watch::Sender<Arc<View>>,
    writer: Writer,
}

enum Writer {
    Running(JoinHandle<Result<(), Error>>),
    /// Never runs: what waits for it waits until its deadline.
    Stalled {
        _writer: register::Writer,
    },
    Stopped,
}

impl Fixture {
    /// On an empty store.
    pub(crate) fn start() -> Self {
        Self::restored(|_, _| {})
    }

    /// On what `restore` makes of an empty inventory.
    pub(crate) fn restored(restore: impl FnOnce(&mut Allocator, &Lessor)) -> Self {
        let (mut fixture, writer) = Self::built(1024, Duration::from_secs(30), restore);
        fixture.writer = Writer::Running(thread::spawn(|| writer.run()));
        fixture
    }

    /// With a writer that does nothing: calls for new keys wait until their deadline, and stay in the queue.
    pub(crate) fn stalled(queue_capacity: usize) -> Self {
        let (mut fixture, writer) =
            Self::built(queue_capacity, Duration::from_millis(20), |_, _| {});
        fixture.writer = Writer::Stalled { _writer: writer };
        fixture
    }

    /// Ends the writer, as when the collector stops.
    pub(crate) fn stop(&mut self) {
        if let Writer::Running(writer) = std::mem::replace(&mut self.writer, Writer::Stopped) {
            self.services.register.stop();
            writer.join().unwrap().unwrap();
        }
    }

    fn built(
        queue_capacity: usize,
        deadline: Duration,
        restore: impl FnOnce(&mut Allocator, &Lessor),
    ) -> (Self, register::Writer) {
        let config = Config {
            register: register::Config {
                queue_capacity,
                deadline,
                max_key_bytes: 255,
                batch_rows: 1024,
            },
            sweep: sweep::Config {
                tick: Duration::from_secs(1),
                limit: 1024,
                stall: Duration::from_secs(5),
                grace: Duration::from_secs(120),
            },
            write_back: write_back::Config {
                interval: Duration::from_secs(10),
                chunk: 1024,
            },
            event_backlog: 16,
        };
        let mut allocator = Allocator::new(Limits { adopted: 16 });
        let lessor = Lessor::new(Terms {
            silent_after: Duration::from_secs(120),
            down_after: Duration::from_secs(300),
        });
        restore(&mut allocator, &lessor);
        let (members, watch) = watch::channel(Arc::default());
        let foundation = Foundation {
            clock: Clock::start(),
            allocator,
            lessor,
            storage: Box::new(Memory::default()),
            members: watch,
        };
        let (services, workers) = build(&config, foundation);
        let fixture = Self {
            services,
            members,
            writer: Writer::Stopped,
        };
        (fixture, workers.writer)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop();
    }
}
