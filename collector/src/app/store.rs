//! Opens and reads the configured store.

use std::{panic::resume_unwind, time::Duration};

use rollcall_domain::{
    inventory::{Allocator, Limits},
    liveness::Terms,
};
use rollcall_runtime::Clock;
use rollcall_service::{Leases, leases, progress::Progress};
use rollcall_storage::{self as storage, Opened};
use tokio::{
    runtime::Handle,
    task,
    time::{Instant, sleep},
};

use super::{
    Error,
    restore::{self, restore},
};
use crate::{
    config::{Config, Liveness},
    memory,
};

/// The time that a start waits for an unavailable shared store.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);
/// The pause between two log lines about the attempts.
const REPORT: Duration = Duration::from_secs(5);
/// The greatest delay of a last-seen record from one collector to another, in addition to the write-back interval.
const RELAY_DELAY: Duration = Duration::from_secs(5);

/// The memory of the inventory if the system reports no limit for the process.
const UNKNOWN: usize = 1 << 30;

/// The opened store, and the data that was restored from it.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) allocator: Allocator,
    pub(super) lessor: Leases,
    pub(super) opened: Opened,
    /// Whether the store replaces one that was lost.
    pub(super) is_lost: bool,
}

/// Opens the store. Waits a limited time for a shared store to become available.
pub(super) async fn open(config: &Config, clock: Clock) -> Result<Opened, Error> {
    let (config, runtime) = (config.clone(), Handle::current());
    let opening = task::spawn_blocking(move || open_patiently(&config, clock, &runtime));
    let opened = opening.await;
    opened
        .unwrap_or_else(|panic| resume_unwind(panic.into_panic()))
        .map_err(ends_start)
}

impl Store {
    /// Reads all of an opened store.
    pub(super) async fn read(
        config: &Config,
        clock: Clock,
        opened: Opened,
        progress: Progress,
    ) -> Result<Self, Error> {
        let config = config.clone();
        let reading =
            task::spawn_blocking(move || Self::restore(&config, clock, opened, &progress));
        let read = reading.await;
        read.unwrap_or_else(|panic| resume_unwind(panic.into_panic()))
            .map_err(ends_start)
    }

    fn restore(
        config: &Config,
        clock: Clock,
        mut opened: Opened,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let is_lost = opened.storage.is_lost()?;
        let memory = Memory::of(config.register.inventory_memory, memory::available());
        memory.announce(budgets(config));
        let mut allocator = Allocator::new(Limits {
            assigned: config.register.max_assigned_ids,
            adopted: config.register.max_adopted_ids,
            bytes: memory.limit,
        });
        let liveness = &config.liveness;
        let terms = terms(liveness, opened.watcher.is_some());
        let lessor = leases(terms, allocator.inventory());
        restore(
            &mut *opened.storage,
            &mut allocator,
            &lessor,
            &clock,
            memory.ceiling,
            progress,
        )?;
        Ok(Self {
            allocator,
            lessor,
            opened,
            is_lost,
        })
    }
}

/// The memory that the inventory may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    /// The size beyond which new rows are refused.
    limit: usize,
    /// The size beyond which the read of a store is aborted, because otherwise the system would kill the process.
    ceiling: usize,
    available: Option<usize>,
}

impl Memory {
    /// The limit is the configured value, or half of the memory that the process may use.
    fn of(configured: Option<usize>, available: Option<usize>) -> Self {
        let limit = configured.unwrap_or(available.map_or(UNKNOWN, |available| available / 2));
        let most = available.map_or(usize::MAX, |available| available / 10 * 6);
        Self {
            limit,
            ceiling: most.max(limit),
            available,
        }
    }

    /// Logs the limit. Warns if the limit alone, or together with the other budgets, exceeds the memory of the process.
    fn announce(&self, others: usize) {
        let Self {
            limit, available, ..
        } = *self;
        tracing::info!(limit, available, "memory of the inventory, in bytes");
        let Some(available) = available else {
            return;
        };
        let together = limit.saturating_add(others);
        if limit > available {
            tracing::warn!(
                limit,
                available,
                "register.default.inventory_memory is more than the process may use"
            );
        } else if together > available {
            tracing::warn!(
                together,
                available,
                "the memory budgets together exceed what the process may use: under full load the system kills the process \
                 before a budget refuses; lower server.default.*_memory and the other budgets, or give the process more memory"
            );
        }
    }
}

/// The budgets of a collector besides that of the inventory, in bytes.
fn budgets(config: &Config) -> usize {
    let server = &config.server;
    let nacos = match config.nacos.is_on() {
        true => [config.nacos.memory, config.nacos.body_cache],
        false => [0; 2],
    };
    let others = [
        server.inbound_memory,
        server.work_memory,
        server.outbound_memory,
        server.connection_memory,
        config.timeline.memory,
    ];
    let budgets = others.into_iter().chain(nacos);
    budgets.fold(0, usize::saturating_add)
}

fn terms(config: &Liveness, shared: bool) -> Terms {
    // Two intervals, because one write-back may be lost.
    let relay = config.write_back_interval * 2 + RELAY_DELAY;
    Terms {
        silent_after: config.silent_after,
        down_after: config.down_after,
        relay: if shared { relay } else { Duration::ZERO },
        spread: config.restart_spread.min(config.silent_after),
        forget_after: config.forget_after,
    }
}

/// Opens the store. Retries while a shared store is unavailable.
fn open_patiently(config: &Config, clock: Clock, runtime: &Handle) -> Result<Opened, Error> {
    let until = Instant::now() + PATIENCE;
    let mut report_at = Instant::now();
    loop {
        let (store, reason) = match super::providers::open(config, clock, runtime) {
            Err(Error::Storage(storage::Error::Unavailable { store, reason }))
                if Instant::now() < until =>
            {
                (store, reason)
            }
            opened => return opened,
        };
        let now = Instant::now();
        if now >= report_at {
            report_at = now + REPORT;
            let remaining = until.saturating_duration_since(now).as_secs();
            tracing::warn!(
                store,
                reason,
                remaining_seconds = remaining,
                "store unavailable at start, retrying"
            );
        }
        runtime.block_on(sleep(PAUSE));
    }
}

/// Translates an error of the store for a collector that has not started and does not retry.
fn ends_start(error: Error) -> Error {
    let storage = match error {
        Error::Storage(error) | Error::Restore(restore::Error::Storage(error)) => error,
        error => return error,
    };
    match storage {
        storage::Error::Unavailable { store, reason } => Error::StoreUnavailable { store, reason },
        storage::Error::NoSpace { store, reason } => Error::StoreFull { store, reason },
        error => Error::Storage(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::NacosProvider;

    #[test]
    fn the_inventory_gets_half_of_the_available_memory_unless_configured() {
        let memory = |given, available| {
            let Memory { limit, ceiling, .. } = Memory::of(given, available);
            (limit, ceiling)
        };
        assert_eq!(memory(None, Some(1_000)), (500, 600));
        assert_eq!(memory(Some(100), Some(1_000)), (100, 600));
        assert_eq!(memory(Some(2_000), Some(1_000)), (2_000, 2_000));
        assert_eq!(memory(None, None), (UNKNOWN, usize::MAX));
    }

    #[test]
    fn the_budgets_of_faces_that_are_off_do_not_count() {
        let mut config = Config::for_test(Path::new("data"));
        let mib = |bytes: usize| bytes >> 20;
        // The defaults: four of the server, the timeline, and two of Nacos.
        assert_eq!(
            mib(budgets(&config)),
            512 + 256 + 256 + 1024 + 128 + 512 + 64
        );
        config.nacos.provider = NacosProvider::None;
        assert_eq!(mib(budgets(&config)), 512 + 256 + 256 + 1024 + 128);
    }

    #[test]
    fn a_start_on_a_full_store_says_what_to_do_about_its_space() {
        let full = Error::Storage(storage::Error::NoSpace {
            store: "/rollcall".to_owned(),
            reason: "its quota is used up: compact".to_owned(),
        });
        let text = ends_start(full).to_string();
        assert!(
            text.contains("compact") && !text.contains("endpoints"),
            "{text}"
        );
    }
}
