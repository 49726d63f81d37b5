//! Opens a catalog on its stores.

use std::sync::Arc;

use rollcall_domain::membership::View;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Catalog, Clock, Config, EventSink, durable, members, probe, push, restore, roster,
    shared::Shared,
    store::{Completeness, Error, Row, Stores, Table},
    sweep,
};

/// The workers that the catalog needs.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    writer: durable::Worker<Shared>,
    view: Option<watch::Receiver<Arc<View>>>,
}

/// Reads the stores, and returns the catalog and its workers. Blocks.
///
/// # Errors
/// A store cannot be read, or has an unreadable row.
pub fn open(
    config: Config,
    clock: Arc<dyn Clock>,
    stores: Stores,
    events: Arc<dyn EventSink>,
) -> Result<(Catalog, Workers), Error> {
    let (writes, writer) = durable::queue(config.write_queue, stores.clone());
    let shared = Arc::new(Shared::new(config, clock, events, writes, stores.clone()));
    let rows = sorted(stores.load()?);
    let knows_rosters = rows.iter().find(|row| is_known_row(row));
    // Rows of the faces do not count, because they are written before the first start of the catalog.
    let is_first = rows.iter().all(|row| row.table == Table::Face);
    // Without a roster on disk, the catalog learns the instances of the last run only when they register again.
    let mut is_known = stores.roster.is_none() && (knows_rosters.is_some() || is_first);
    for row in rows.iter().filter(|row| !is_known_row(row)) {
        if row.table != Table::Roster {
            restore::restore(&shared, row)?;
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
    if stores.journal.completeness() == Completeness::Incomplete {
        tracing::warn!(
            "catalog: the last run could not record all changes of ephemeral instances, reads are refused for a while"
        );
        is_known = false;
    }
    if stores.is_lost {
        tracing::warn!(
            "catalog: the store of the last run is missing, so its persistent instances and settings are lost; reads are refused \
             for a while"
        );
        is_known = false;
    }
    if shared.config.always_warm_up {
        tracing::info!("catalog: reads are refused for a while, as always after a start");
        is_known = false;
    }
    let warm_at = shared.clock.now().after(shared.config.warm_up);
    if shared.members.is_some() {
        shared.readiness.wait_for_members(warm_at);
    } else if !is_known {
        shared.roster.mark_incomplete();
        shared.readiness.wait_until(warm_at);
    }
    let workers = Workers {
        shared: Arc::clone(&shared),
        writer,
        view: None,
    };
    Ok((Catalog(shared, None), workers))
}

impl Workers {
    /// Exchanges instances with the other members of the cluster, if the stores have [`Peers`](crate::store::Peers).
    #[must_use]
    pub fn among(mut self, view: watch::Receiver<Arc<View>>) -> Self {
        self.view = Some(view);
        self
    }

    /// Pushes, sweeps and writes until cancelled. Changes that wait for the store at that time are still made.
    ///
    /// # Errors
    /// The file of the store was removed, renamed or replaced, so no further change can be made durable.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), Error> {
        let Self {
            shared,
            writer,
            view,
        } = self;
        let durable = writer.run(
            Arc::clone(&shared),
            |shared| &shared.writes,
            restore::apply,
            cancel.clone(),
        );
        let loops = async {
            tokio::join!(
                members::run(Arc::clone(&shared), view, cancel.clone()),
                probe::run(Arc::clone(&shared), cancel.clone()),
                push::run(Arc::clone(&shared), cancel.clone()),
                sweep::run(Arc::clone(&shared), cancel.clone()),
                sweep::rows::run(Arc::clone(&shared), cancel.clone()),
                roster::run(shared, cancel),
            );
            Ok(())
        };
        tokio::try_join!(loops, durable).map(|_| ())
    }
}

/// Whether this is the row which records that rosters are written.
fn is_known_row(row: &Row) -> bool {
    row.table == Table::Roster && row.key.is_empty()
}

/// Sorts services before their instances, and instances before their overrides.
fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|one, other| (one.table, &one.key).cmp(&(other.table, &other.key)));
    rows
}
