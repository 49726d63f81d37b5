//! The stored list of ephemeral instances, for the next run: soft state.
//!
//! The rows of changed services are written every [`ROWS`] ticks. Later changes are in the [`journal`], which is written before a
//! change is acknowledged, so the next run knows every acknowledged instance, even after a crash of the process. The journal is
//! synced at each [`TICK`], and between two commits of a write of the rows. So a crash of the machine may lose the changes of the
//! last half second, or those made during one commit. The rows are written earlier if they must replace the journal: it is half
//! full, it misses a line, or it could not be synced.
//!
//! A restart restores these instances unchanged. Their clients register and beat again, and instances without a client are
//! removed after their term.
//!
//! The row with the empty key records that rosters are written, and up to which line they contain the journal. A store with data
//! but without this row was written by an earlier release, and reads are refused for [`crate::Config::warm_up`].

pub(crate) mod journal;

use std::{sync::Arc, time::Duration};

use rollcall_domain::catalog::{
    Beats, Effects, Endpoint, EventKind, InstanceRef, Kind, Publisher, Registration, ServiceKey,
};
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use journal::{Line, Mark};

use crate::{
    rows::{self, InstanceRow},
    shared::Shared,
    store::{Change, Error, Row, Table},
};

/// The interval of the syncs of the journal.
const TICK: Duration = Duration::from_millis(500);
/// Ticks from one write of the rows to the next. The row of a busy service, with many changes in this time, is written once.
const ROWS: u32 = 20;
/// The approximate number of instances in one commit.
const BATCH: usize = 4096;

#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    ip: Arc<str>,
    port: u16,
    cluster: Arc<str>,
    #[serde(flatten)]
    registered: InstanceRow,
}

/// Writes until it is cancelled, and then writes the remaining changes.
pub(crate) async fn run(shared: Arc<Shared>, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut writer = Writer {
        shared,
        is_first: true,
        wait: 0,
        is_failing: false,
    };
    loop {
        let is_last = tokio::select! {
            biased;
            () = cancel.cancelled() => true,
            _ = ticks.tick() => false,
        };
        writer.tick(is_last).await;
        if is_last {
            return;
        }
    }
}

/// Decides at each tick whether to write the rows, and writes them.
struct Writer {
    shared: Arc<Shared>,
    /// Whether no complete catalog has been committed yet. The first such commit records that rosters are written, even if there
    /// are no rosters to write.
    is_first: bool,
    /// Ticks until the rows may be written.
    wait: u32,
    /// Whether the last commit failed.
    is_failing: bool,
}

impl Writer {
    async fn tick(&mut self, is_last: bool) {
        self.wait = self.wait.saturating_sub(1);
        let roster = &self.shared.roster;
        // After a failed commit, the next one is never early.
        let is_early = roster.must_be_written() && !self.is_failing;
        // While the store refuses other commits, this commit tests whether it accepts them again.
        let is_due = self.is_first || !roster.is_empty() || self.shared.writes.is_failing();
        if is_due && (is_last || is_early || self.wait == 0) {
            self.write().await;
        } else {
            self.sync().await;
        }
    }

    async fn write(&mut self) {
        self.wait = ROWS;
        let shared = Arc::clone(&self.shared);
        let is_complete = shared.readiness.is_complete(shared.clock.now());
        let written = self.commit(is_complete).await;
        self.is_failing = written.is_err();
        match written {
            Ok(()) => {
                self.is_first &= !is_complete;
                if shared.stores.roster.is_none() {
                    shared.writes.succeeded();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "catalog: the roster could not be written, a restart may refuse reads for a while");
                shared.roster.count_failure();
                shared
                    .writes
                    .failing(reason(&error, shared.roster.is_incomplete()));
            }
        }
    }

    /// Commits the rows of changed services, and removes the part of the journal that they contain.
    /// `is_complete`: whether the catalog knows all instances, so that the next run may answer reads at once.
    async fn commit(&mut self, is_complete: bool) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let mark = shared.roster.mark();
        loop {
            let mut rows = Vec::new();
            let (services, more) = collect(&shared, &mut rows);
            if !more {
                rows.push(known(mark));
            }
            let store = Arc::clone(shared.roster.stores.roster());
            if let Err(error) = blocking(move || store.commit(&rows)).await {
                shared.roster.retry(services);
                return Err(error);
            }
            if !more {
                shared.roster.trim(mark, is_complete);
                return Ok(());
            }
            // A commit of many rows takes longer than a tick, so the journal is synced in between.
            self.sync().await;
        }
    }

    /// Syncs the journal if it has lines that are not synced.
    async fn sync(&mut self) {
        if !self.shared.roster.take_unsynced() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let synced = blocking(move || shared.roster.stores.journal.sync()).await;
        // If commits fail too, their warning is enough.
        if let (Err(error), false) = (synced, self.is_failing) {
            tracing::warn!(%error, "catalog: the journal of the roster could not be synced, its changes are committed instead");
            self.wait = 0;
        }
    }
}

/// The reason for the operator.
fn reason(error: &Error, is_incomplete: bool) -> String {
    let restart = if is_incomplete {
        "catalog.journal misses changes of ephemeral instances too, so the next start refuses reads for nacos.default.warm_up"
    } else {
        "changes of ephemeral instances are in catalog.journal only"
    };
    format!(
        "the list of ephemeral Nacos instances cannot be stored ({error}), and {restart}: free space or repair the disk, and the \
         collector stores the list by itself"
    )
}

/// Runs a call that waits for the disk.
async fn blocking(call: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
    let called = tokio::task::spawn_blocking(call).await;
    called.unwrap_or_else(|error| Err(Error::Io(error.to_string())))
}

/// The row which records up to which line the rosters contain the journal.
fn known(mark: Mark) -> Change {
    Change::Put(Row {
        table: Table::Roster,
        key: String::new(),
        value: mark.number.to_string().into_bytes(),
    })
}

/// Takes changed services with about [`BATCH`] instances, and appends their rows. Returns the services, and whether more remain.
fn collect(shared: &Shared, rows: &mut Vec<Change>) -> (Vec<ServiceKey>, bool) {
    let mut keys = Vec::new();
    let mut written = 0;
    while written < BATCH {
        let Some(key) = shared.roster.take() else {
            return (keys, false);
        };
        let instances = shared.registry.read().instances(&key).unwrap_or_default();
        let entries: Vec<Entry> = instances
            .into_iter()
            .filter(|instance| instance.registered.kind.is_ephemeral())
            .map(|instance| Entry {
                registered: InstanceRow::of(&instance.registered),
                ip: instance.registered.endpoint.ip,
                port: instance.registered.endpoint.port,
                cluster: instance.registered.endpoint.cluster,
            })
            .collect();
        written += entries.len() + 1;
        let text = rows::service_text(&key);
        rows.push(if entries.is_empty() {
            rows::remove(Table::Roster, text)
        } else {
            match rows::put(Table::Roster, text, &entries) {
                Ok(row) => row,
                Err(error) => {
                    tracing::warn!(%error, service = %key, "catalog: a roster row is not written");
                    continue;
                }
            }
        });
        keys.push(key);
    }
    (keys, true)
}

/// Restores the instances of a row. An unreadable row, and instances without room, are skipped: their clients register again.
pub(crate) fn restore(shared: &Shared, row: &Row) -> Result<(), Error> {
    let entries: Vec<Entry> = rows::read(row)?;
    let Some(service) = rows::service_of(&row.key) else {
        return Err(Error::Unreadable(format!("roster key {:?}", row.key)));
    };
    for entry in entries {
        let Ok(endpoint) = Endpoint::new(&entry.ip, entry.port, &entry.cluster) else {
            continue;
        };
        let registration = entry.registered.registration(endpoint, Kind::Ephemeral);
        if let Err(error) = bring_back(shared, &service, registration) {
            tracing::warn!(%error, %service, "catalog: an instance of the last run is skipped");
        }
    }
    Ok(())
}

/// Applies the lines of the journal after the rows: `known` is the row with the empty key. Returns whether all lines were
/// readable.
pub(crate) fn replay(shared: &Shared, known: Option<&Row>) -> Result<bool, Error> {
    let bytes = shared.roster.stores.journal.lines()?;
    let number = |row: &Row| str::from_utf8(&row.value).ok()?.parse::<u64>().ok();
    let mut last = match known.map(number) {
        Some(Some(number)) => number,
        // The last run used an earlier release, which writes no journal, so the existing journal is older than the rows.
        Some(None) => {
            shared.roster.stores.journal.trim(bytes.len())?;
            return Ok(true);
        }
        None => 0,
    };
    let mut is_whole = true;
    let mut changed = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
            is_whole = false;
            continue;
        };
        if line.number <= last {
            continue;
        }
        last = line.number;
        match apply(shared, line) {
            Some(service) => changed.push(service),
            None => is_whole = false,
        }
    }
    shared.roster.resume(last, bytes.len());
    shared.roster.retry(changed);
    Ok(is_whole)
}

/// Applies a line; `None` if an item in it is not valid.
fn apply(shared: &Shared, line: Line<'_>) -> Option<ServiceKey> {
    let service = rows::service_of(&line.service)?;
    let endpoint = Endpoint::new(&line.ip, line.port, &line.cluster).ok()?;
    if let Some(registered) = line.registered {
        let registration = registered.registration(endpoint, Kind::Ephemeral);
        if let Err(error) = bring_back(shared, &service, registration) {
            tracing::warn!(%error, %service, "catalog: an instance of the last run is skipped");
        }
        return Some(service);
    }
    let mut registry = shared.registry.write();
    if let Ok(found) = registry.lookup(&service, &endpoint, Some(Kind::Ephemeral)) {
        let (now, mut effects) = (shared.clock.now(), Effects::default());
        registry.remove(found.reference, EventKind::Deregistered, now, &mut effects);
        shared.leases.end(found.reference);
    }
    Some(service)
}

fn bring_back(
    shared: &Shared,
    service: &ServiceKey,
    registration: Registration,
) -> Result<(), crate::Error> {
    let mut effects = Effects::default();
    let now = shared.clock.now();
    let beats = registration.metadata.beats();
    let registered = shared.registry.write().register(
        &Publisher::Restored,
        service,
        registration,
        now,
        &mut effects,
    )?;
    lease(shared, registered.instance, beats);
    Ok(())
}

/// Grants a restored instance a full term, or a longer one if its client needs more time to notice that the collector runs again.
pub(crate) fn lease(shared: &Shared, instance: InstanceRef, beats: Beats) {
    let usual = Beats::default();
    let longer = Beats {
        unhealthy_after: beats.unhealthy_after.max(usual.unhealthy_after),
        removed_after: beats.removed_after.max(usual.removed_after),
        ..beats
    };
    let now = shared.clock.now();
    // The first grant sets the time at which the lease is first checked. Own terms that a beat restores before that time apply
    // from then on; otherwise they would apply only after the longer term.
    shared.leases.grant(instance, beats, now);
    if longer != beats {
        shared.leases.grant(instance, longer, now);
    }
}

#[cfg(test)]
mod tests;
