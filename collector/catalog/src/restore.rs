//! Applies stored rows to the state: all rows at a start, and rows that another process changed later.

use std::cmp::Reverse;

use rollcall_domain::{
    Moment, Timestamp,
    catalog::{
        Checker, Effects, EventKind, HealthBy, Kind, Override, Registration, Registry, ServiceKey,
    },
};

use crate::{
    Namespace, Switches,
    rows::{self, InstanceRow, OverrideRow, ServiceRow},
    shared::Shared,
    store::{Change, Error, Row, Table},
};

/// Applies a row at a start, without publishing anything.
///
/// # Errors
/// The row is not readable, or there is no room for it.
pub(crate) fn restore(shared: &Shared, row: &Row) -> Result<(), Error> {
    if set(shared, row)? {
        return Ok(());
    }
    let (now, mut effects) = (shared.clock.now(), Effects::default());
    put(&mut shared.registry.write(), row, now, &mut effects)?;
    for instance in effects.persistent {
        shared.probes.add(instance, now);
    }
    Ok(())
}

/// Applies and publishes changes of other processes. Removals come first, instances before their services; then new rows, in the
/// order of a start.
pub(crate) fn apply(shared: &Shared, mut changes: Vec<Change>) {
    changes.sort_by_key(|change| match change {
        Change::Remove { table, .. } => (false, Some(Reverse(*table)), None),
        Change::Put(row) => (true, None, Some(row.table)),
    });
    changes.iter().for_each(|change| apply_one(shared, change));
}

/// Applies one change. Skips a row that cannot be applied; the next start reports it.
fn apply_one(shared: &Shared, change: &Change) {
    let applied = match change {
        Change::Put(row) => set(shared, row).and_then(|is_set| match is_set {
            true => Ok(()),
            false => shared.change(|registry, now, effects| put(registry, row, now, effects)),
        }),
        Change::Remove { table, key } => {
            remove(shared, *table, key);
            Ok(())
        }
    };
    if let Err(error) = applied {
        tracing::warn!(%error, "catalog: a change of another collector was skipped");
    }
}

/// Applies a row that does not concern the registry; `false` for any other.
fn set(shared: &Shared, row: &Row) -> Result<bool, Error> {
    match row.table {
        Table::Namespace => {
            let namespace: Namespace = rows::read(row)?;
            shared.namespaces.write().insert(row.key.clone(), namespace);
        }
        Table::Switch => {
            let switches: Switches = rows::read(row)?;
            shared.set_switches(switches);
        }
        Table::Face => {
            let value = row.value.clone();
            shared.kept.write().insert(row.key.clone(), value);
        }
        Table::Roster => {}
        Table::Service | Table::Instance | Table::Override => return Ok(false),
    }
    Ok(true)
}

/// Applies a row that concerns the registry.
fn put(
    registry: &mut Registry,
    row: &Row,
    now: Moment,
    effects: &mut Effects,
) -> Result<(), Error> {
    let bad = || {
        Error::Unreadable(format!(
            "key {:?} of table {} is unreadable",
            row.key,
            rows::name(row.table)
        ))
    };
    let full = |error: &dyn std::fmt::Display| {
        Error::Unreadable(format!("the stored catalog is inconsistent: {error}"))
    };
    if row.table == Table::Service {
        let key = rows::service_of(&row.key).ok_or_else(bad)?;
        let settings = rows::read::<ServiceRow>(row)?.settings();
        let set = registry.set_service(&key, settings, now, effects);
        return set.map_err(|error| full(&error));
    }
    let (key, endpoint) = rows::place_of(&row.key).ok_or_else(bad)?;
    if row.table == Table::Instance {
        let stored = rows::read::<InstanceRow>(row)?;
        let registration = stored.registration(endpoint, Kind::Persistent);
        let registered = register(registry, &key, registration, now, effects);
        return registered.map_err(|error| full(&error));
    }
    let set = rows::read::<OverrideRow>(row)?.set();
    if registry
        .set_override(&key, &endpoint, set.clone(), effects)
        .is_ok()
    {
        return Ok(());
    }
    let restored = registry.restore_override(&key, &endpoint, set, now);
    restored.map_err(|error| full(&error))
}

fn register(
    registry: &mut Registry,
    key: &ServiceKey,
    registration: Registration,
    now: Moment,
    effects: &mut Effects,
) -> Result<(), rollcall_domain::catalog::Refused> {
    let publisher = registration.endpoint.publisher();
    let cluster = registry.cluster(key, &registration.endpoint.cluster);
    let healthy = registration.healthy;
    let registered = registry.register(&publisher, key, registration, now, effects)?;
    // With any other checker, this collector's own probes decide.
    if cluster.is_some_and(|cluster| cluster.checker == Checker::None) {
        registry.set_health(registered.instance, healthy, HealthBy::Member, effects);
    }
    Ok(())
}

fn remove(shared: &Shared, table: Table, key: &str) {
    match table {
        Table::Namespace => {
            shared.namespaces.write().remove(key);
        }
        Table::Switch => shared.set_switches(Switches::default()),
        Table::Face => {
            shared.kept.write().remove(key);
        }
        Table::Service => {
            if let Some(key) = rows::service_of(key) {
                shared.change(|registry, _, effects| registry.unset_service(&key, effects));
            }
        }
        Table::Instance | Table::Override => {
            shared.change(|registry, now, effects| take(registry, table, key, now, effects));
        }
        Table::Roster => {}
    }
}

/// Removes a persistent instance or an override.
fn take(registry: &mut Registry, table: Table, key: &str, now: Moment, effects: &mut Effects) {
    let Some((service, endpoint)) = rows::place_of(key) else {
        return;
    };
    if table == Table::Instance {
        if let Ok(found) = registry.lookup(&service, &endpoint, Some(Kind::Persistent)) {
            registry.remove(found.reference, EventKind::Deregistered, now, effects);
        }
        return;
    }
    let none = Override::none(Timestamp::from_millis(0));
    let removed = registry.set_override(&service, &endpoint, none.clone(), effects);
    if removed.is_err() && registry.contains(&service) {
        // The instance is gone. There is always room, because nothing is added.
        let _is_known = registry.restore_override(&service, &endpoint, none, now);
    }
}
