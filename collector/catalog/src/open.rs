//! Opens a catalog on a store.

use std::sync::Arc;

use rollcall_domain::catalog::{Effects, Kind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Catalog, Clock, Config, EventSink, Namespace, Switches, durable, probe, push, roster,
    rows::{self, InstanceRow, OverrideRow, ServiceRow},
    shared::Shared,
    store::{Error, Row, Store, Table},
    sweep,
};

/// The tasks of the catalog.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    jobs: durable::Receiver,
}

/// Reads a store. Blocks meanwhile.
///
/// # Errors
/// The store cannot be read, or has an unreadable row.
pub fn open(
    config: Config,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    events: Arc<dyn EventSink>,
) -> Result<(Catalog, Workers), Error> {
    let (writes, jobs) = mpsc::channel(config.write_queue.max(1));
    let shared = Arc::new(Shared::new(
        config,
        clock,
        events,
        writes,
        Arc::clone(&store),
    ));
    let rows = sorted(store.load()?);
    let knows_rosters = rows.iter().find(|row| is_known_row(row));
    // Rows of the faces do not count: they exist before the first start.
    let mut is_known = knows_rosters.is_some() || rows.iter().all(|row| row.table == Table::Face);
    for row in rows.iter().filter(|row| !is_known_row(row)) {
        if row.table != Table::Roster {
            restore(&shared, row)?;
        } else if let Err(error) = roster::restore(&shared, row) {
            tracing::warn!(%error, "catalog: a roster row is dropped, reads are refused for a while");
            is_known = false;
        }
    }
    if !roster::replay(&shared, knows_rosters)? {
        tracing::warn!(
            "catalog: the journal of the roster is incomplete, reads are refused for a while"
        );
        is_known = false;
    }
    if !is_known {
        let complete_at = shared.clock.now().after(shared.config.warm_up);
        shared.readiness.wait_until(complete_at);
    }
    let workers = Workers {
        shared: Arc::clone(&shared),
        store,
        jobs,
    };
    Ok((Catalog(shared), workers))
}

impl Workers {
    /// Pushes, sweeps and writes until it is cancelled. Changes that wait for the store by then are still written.
    pub async fn run(self, cancel: CancellationToken) {
        let Self {
            shared,
            store,
            jobs,
        } = self;
        tokio::join!(
            probe::run(Arc::clone(&shared), cancel.clone()),
            push::run(Arc::clone(&shared), cancel.clone()),
            sweep::run(Arc::clone(&shared), cancel.clone()),
            roster::run(Arc::clone(&shared), cancel.clone()),
            durable::run(shared, store, jobs, cancel),
        );
    }
}

/// Whether it is the row that records that rosters are written.
fn is_known_row(row: &Row) -> bool {
    row.table == Table::Roster && row.key.is_empty()
}

/// Sorts services before their instances, and instances before their overrides.
fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|one, other| (one.table, &one.key).cmp(&(other.table, &other.key)));
    rows
}

fn restore(shared: &Shared, row: &Row) -> Result<(), Error> {
    let bad = || {
        Error::Unreadable(format!(
            "key {:?} of table {} is unreadable",
            row.key,
            row.table.name()
        ))
    };
    let full = |error: &dyn std::fmt::Display| {
        Error::Unreadable(format!("the stored catalog is inconsistent: {error}"))
    };
    let mut registry = shared.registry.write();
    let mut effects = Effects::default();
    let now = shared.clock.now();
    match row.table {
        Table::Namespace => {
            let namespace: Namespace = rows::read(row)?;
            shared.namespaces.write().insert(row.key.clone(), namespace);
        }
        Table::Service => {
            let settings = rows::read::<ServiceRow>(row)?.settings();
            let key = rows::service_of(&row.key).ok_or_else(bad)?;
            let set = registry.set_service(&key, settings, now, &mut effects);
            set.map_err(|error| full(&error))?;
        }
        Table::Instance => {
            let (key, endpoint) = rows::place_of(&row.key).ok_or_else(bad)?;
            let publisher = endpoint.publisher();
            let stored = rows::read::<InstanceRow>(row)?;
            let registration = stored.registration(endpoint, Kind::Persistent);
            let set = registry.register(&publisher, &key, registration, now, &mut effects);
            let registered = set.map_err(|error| full(&error))?;
            shared.probes.add(registered.instance, now);
        }
        Table::Override => {
            let (key, endpoint) = rows::place_of(&row.key).ok_or_else(bad)?;
            let set = rows::read::<OverrideRow>(row)?.set();
            let set = registry.restore_override(&key, &endpoint, set, now);
            set.map_err(|error| full(&error))?;
        }
        Table::Switch => {
            let switches: Switches = rows::read(row)?;
            *shared.switches.write() = Arc::new(switches);
        }
        Table::Face => {
            let value = row.value.clone();
            shared.kept.write().insert(row.key.clone(), value);
        }
        Table::Roster => {}
    }
    Ok(())
}
