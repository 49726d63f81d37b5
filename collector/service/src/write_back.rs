//! Writes the last-seen times of instances to the store at intervals, so that a restart keeps their states and the collectors
//! that share the store receive them. Changes of state that must survive a crash (`changes`) are written within a second, or within
//! some seconds after the store accepts writes again.

use std::time::Duration;

use rollcall_domain::Moment;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Core, register};

mod changes;

pub(super) use changes::{Changes, Write};

/// Settings of the write-back.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between two rounds. The stored times are at most this old.
    pub interval: Duration,
    /// The most instances in one commit, so that registrations never wait long for it.
    pub chunk: usize,
    /// The same in the round at the stop, when no registration waits: a large commit costs less for each instance.
    pub last_chunk: usize,
    /// Whether other collectors read the store. Changes of state are then written at once.
    pub shared: bool,
}

/// Writes the leases that changed since the last round. Never in the path of a request.
#[derive(Debug)]
pub struct WriteBack {
    config: Config,
    core: Core,
    register: register::Handle,
    /// Whether the last write failed.
    has_failed: bool,
}

/// Changes of state are gathered for this time and written together, because instances often fall silent in groups.
const GATHER: Duration = Duration::from_millis(500);
/// The same after a write that failed.
const RETRY: Duration = Duration::from_secs(2);

/// The time limit of the last round of any fleet.
const LAST: Duration = Duration::from_secs(10);
/// The additional time for each instance: several times of what a disk needs that is not overloaded.
const LAST_PER_INSTANCE: Duration = Duration::from_micros(4);

/// The time limit of the last round of a fleet of this size.
pub(super) fn last_round(instances: usize) -> Duration {
    let instances = u32::try_from(instances).unwrap_or(u32::MAX);
    LAST.saturating_add(LAST_PER_INSTANCE.saturating_mul(instances))
}

impl WriteBack {
    pub(super) fn new(config: &Config, core: &Core, register: &register::Handle) -> Self {
        Self {
            config: config.clone(),
            core: core.clone(),
            register: register.clone(),
            has_failed: false,
        }
    }

    /// Writes back until cancelled, then once more.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut ticks = interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = self.core.clock.now();
        ticks.tick().await;
        loop {
            tokio::select! {
                biased;
                // The last round also writes what the round that ends here has not written.
                () = cancel.cancelled() => return self.last(written).await,
                since = self.next(written, &mut ticks) => written = since,
            }
        }
    }

    /// Waits until a round is due or changes of state must be written, and writes. Returns the time since which signals are not
    /// written, which was `written` before.
    async fn next(&mut self, written: Moment, ticks: &mut Interval) -> Moment {
        tokio::select! {
            biased;
            _ = ticks.tick() => {}
            () = self.gather() => {
                let done = self.write_changes().await;
                self.report(done);
                return written;
            }
        }
        let now = self.core.clock.now();
        let done = self.round(written, self.config.chunk, &mut 0).await;
        let since = if done.is_ok() { now } else { written };
        self.report(done);
        since
    }

    /// Waits until the instances that change state together have probably changed.
    async fn gather(&self) {
        self.core.changes.any().await;
        sleep(if self.has_failed { RETRY } else { GATHER }).await;
    }

    /// Writes the instances whose state has changed, a part at a time. Those of a write that fails, and of those that would follow,
    /// stay pending.
    async fn write_changes(&self) -> Result<(), register::Error> {
        let mut last = None;
        while let Some(write) = self.core.changes.next(last, self.config.chunk.max(1)) {
            last = write.last();
            self.register.record_changes(write).await?;
        }
        Ok(())
    }

    /// Logs the first of several failures in a row.
    fn report(&mut self, done: Result<(), register::Error>) {
        let had_failed = std::mem::replace(&mut self.has_failed, done.is_err());
        if !had_failed {
            warn(done);
        }
    }

    /// The round before the collector stops, with a time limit: a disk that has become slow must not hold up the stop.
    async fn last(&self, written: Moment) {
        let instances = self.core.instances();
        let limit = last_round(instances);
        let mut examined = 0;
        let round = self.round(written, self.config.last_chunk, &mut examined);
        match timeout(limit, round).await {
            Ok(done) => warn(done),
            Err(_elapsed) => tracing::warn!(
                ?limit,
                left = instances.saturating_sub(examined),
                instances,
                "the last write-back took too long and has ended: the instances that were left keep the times of the one before"
            ),
        }
    }

    /// Writes the leases that changed since then, `chunk` at a time, and counts the instances whose leases need no more writing.
    async fn round(
        &self,
        since: Moment,
        chunk: usize,
        examined: &mut usize,
    ) -> Result<(), register::Error> {
        let limit = chunk.max(1);
        let mut cursor = None;
        loop {
            let positions = self.core.inventory.positions(cursor, limit);
            let count = positions.len();
            let is_last = count < limit;
            cursor = positions.last().copied();
            let instances = positions.into_iter().map(|position| position.instance);
            let mut changed = Vec::new();
            self.core
                .lessor
                .changed_since(since, instances, &mut changed);
            if !changed.is_empty() {
                // In the order of the store, so that neighbours share pages.
                changed.sort_unstable();
                self.register.record(changed).await?;
            }
            *examined += count;
            if is_last {
                return Ok(());
            }
        }
    }
}

fn warn(written: Result<(), register::Error>) {
    if let Err(error) = written {
        tracing::warn!(%error, "could not write back when instances were last seen");
    }
}
