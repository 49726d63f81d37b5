//! The ephemeral instances as they were last known, for the next run: soft state in the store.
//!
//! A service's row is written within [`TICK`] after it changed. A restart shows these instances as they were; their clients
//! register and beat again, and those that do not return within their term go. An instance of the last half second before a crash
//! may be missing until its client returns. The row with the empty key says that rosters are written: without it, a store that
//! holds anything is of a run that did not know them, and reads are refused for [`crate::Config::warm_up`].

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_domain::catalog::{
    Beats, Effects, Endpoint, InstanceRef, Kind, Publisher, Registration, ServiceKey,
};
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    rows::{self, InstanceRow},
    shared::Shared,
    store::{Change, Error, Row, Store, Table},
};

/// How often changed services are written.
const TICK: Duration = Duration::from_millis(500);
/// Instances that one commit writes, about.
const BATCH: usize = 4096;
/// Ticks without an attempt after a failed commit.
const PAUSE: u32 = 20;

/// Services whose row is to be written.
#[derive(Debug, Default)]
pub(crate) struct Roster(Mutex<BTreeSet<ServiceKey>>);

#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    ip: Arc<str>,
    port: u16,
    cluster: Arc<str>,
    #[serde(flatten)]
    said: InstanceRow,
}

impl Roster {
    pub(crate) fn changed(&self, service: &ServiceKey) {
        let mut changed = self.0.lock();
        if !changed.contains(service) {
            changed.insert(service.clone());
        }
    }
}

/// Writes until it is cancelled, and then what is left.
pub(crate) async fn run(shared: Arc<Shared>, store: Arc<dyn Store>, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows = vec![Change::Put(Row {
        table: Table::Roster,
        key: String::new(),
        value: Vec::new(),
    })];
    let mut pause = 0;
    loop {
        let is_last = tokio::select! {
            biased;
            () = cancel.cancelled() => true,
            _ = ticks.tick() => false,
        };
        if pause > 0 && !is_last {
            pause -= 1;
            continue;
        }
        loop {
            let (keys, more) = collect(&shared, &mut rows);
            if rows.is_empty() {
                break;
            }
            let (store, batch) = (Arc::clone(&store), std::mem::take(&mut rows));
            let commit = tokio::task::spawn_blocking(move || store.commit(&batch)).await;
            let commit = commit.unwrap_or_else(|error| Err(Error::Io(error.to_string())));
            if let Err(error) = commit {
                tracing::warn!(%error, "catalog: the roster could not be written, a restart may refuse reads for a while");
                shared.roster.0.lock().extend(keys);
                pause = PAUSE;
                break;
            }
            if !more {
                break;
            }
        }
        if is_last {
            return;
        }
    }
}

/// Takes changed services, about [`BATCH`] instances of them, and appends their rows. Gives also whether there are more.
fn collect(shared: &Shared, rows: &mut Vec<Change>) -> (Vec<ServiceKey>, bool) {
    let mut keys = Vec::new();
    let mut written = 0;
    while written < BATCH {
        let Some(key) = shared.roster.0.lock().pop_first() else {
            return (keys, false);
        };
        let instances = shared.registry.read().instances(&key).unwrap_or_default();
        let entries: Vec<Entry> = instances
            .into_iter()
            .filter(|instance| instance.registered.kind.is_ephemeral())
            .map(|instance| Entry {
                said: InstanceRow::of(&instance.registered),
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

/// Brings back the instances of a row. A row that is not readable, and instances for which there is no room, are left out: their
/// clients register again.
pub(crate) fn restore(shared: &Shared, row: &Row) -> Result<(), Error> {
    if row.key.is_empty() {
        return Ok(());
    }
    let entries: Vec<Entry> = rows::read(row)?;
    let Some(service) = rows::service_of(&row.key) else {
        return Err(Error::Unreadable(format!("roster key {:?}", row.key)));
    };
    for entry in entries {
        let Ok(endpoint) = Endpoint::new(&entry.ip, entry.port, &entry.cluster) else {
            continue;
        };
        let registration = entry.said.registration(endpoint, Kind::Ephemeral);
        if let Err(error) = bring_back(shared, &service, registration) {
            tracing::warn!(%error, %service, "catalog: an instance of the last run is left out");
        }
    }
    Ok(())
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

/// A full term, and never less than clients need to notice that the collector is back.
fn lease(shared: &Shared, instance: InstanceRef, beats: Beats) {
    let usual = Beats::default();
    let beats = Beats {
        unhealthy_after: beats.unhealthy_after.max(usual.unhealthy_after),
        removed_after: beats.removed_after.max(usual.removed_after),
        ..beats
    };
    shared.leases.grant(instance, beats, shared.clock.now());
}
