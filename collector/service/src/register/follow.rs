//! Applies the records of other collectors in the store, and detects divergence from these collectors.
//!
//! A collector that writes to a shared store adds a digest of its inventory to each batch. A collector that applies the batch
//! compares the digest with its own. Two inventories differ only after a fault of the code or of the memory, or if two releases of
//! Rollcall hash a row differently. So this collector reports a difference and reloads the store; no collector stops. After a
//! reload the collector publishes its digest, if necessary in an entry without rows. A writer compares only the digests of other
//! members, so without it a writer that diverged would never notice.
//!
//! The roster is compared entry by entry. A changed chunk of last signs arrives whole, and an entry that was sent before but is
//! missing here is a difference. It is repaired at once.

use rollcall_domain::inventory::{self, Allocator, Row};
use rollcall_storage::{self as storage, LastSeen, Record};
use tokio::time::Instant;

use super::{
    damage::Reported,
    pace::Pacer,
    writer::{Failure, Writer, instance_of, is_adoption},
};
use crate::{Core, events::Shared};

/// Applies the records of other collectors to the inventory and the leases.
struct Replay<'a> {
    allocator: &'a mut Allocator,
    pacer: &'a mut Pacer,
    core: &'a Core,
    /// Whether the rows are those of other collectors. Otherwise they are those of this collector's own batch, which was written
    /// after its callers were refused. The instances of such rows get a lease with their next signal.
    is_shared: bool,
    contradiction: Option<inventory::restore::Error>,
    /// The digest that the inventory should have once all records are applied, if the last writer published one.
    digest: Option<u64>,
    /// Registered instances without a lease. Their leases are granted after the last record, because a later record may report an
    /// instance as down.
    registered: Vec<LastSeen>,
    /// Roster entries that were sent before but are missing here.
    differences: usize,
    damage: Reported,
}

impl Replay<'_> {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Row(row) => {
                // The last published digest does not cover this row.
                self.digest = None;
                let registered = LastSeen::registered(&row);
                if is_adoption(&row) {
                    // The agent is connected to another collector, which lost the same store.
                    self.core.listening.observe_unknown_id();
                }
                let instance = instance_of(&row);
                match self.allocator.restore(row) {
                    Ok(()) => {
                        let unseen = |seen: &LastSeen| self.core.is_unseen(seen.instance);
                        if self.is_shared {
                            self.registered.extend(registered.filter(unseen));
                        }
                        if let Some(instance) = instance {
                            self.core.lessor.learn_group(instance);
                        }
                    }
                    Err(error) => self.contradiction = self.contradiction.or(Some(error)),
                }
            }
            Record::LastSeen(seen) if self.is_shared => self.core.relay(seen),
            // It is in the own batch that was written late, and the caller who forgot the instance was refused.
            Record::LastSeen(seen) => self.core.forget_as_stored(seen),
            Record::Unchanged(seen) => {
                if self.core.knows_less(seen) {
                    self.differences += 1;
                    self.core.relay(seen);
                }
            }
            Record::Changed(instance) => {
                let id = instance.id;
                self.pacer.record(id);
                if let Err(error) = self.allocator.restore(Row::Instance(instance)) {
                    self.contradiction = self.contradiction.or(Some(error));
                }
                self.core.lessor.learn_group(id);
            }
            Record::Digest(digest) => self.digest = Some(digest),
            Record::Damage(damage) => self.damage.add(damage),
        }
    }
}

impl Writer {
    /// Applies the records of other collectors that the store has reported so far.
    pub(super) fn catch_up(&mut self) -> Result<(), Failure> {
        self.replay(|storage, sink| storage.catch_up(sink))
    }

    /// Applies all records that are durable now, by a read of the store itself.
    pub(super) fn read_latest(&mut self) -> Result<(), Failure> {
        self.replay(|storage, sink| storage.read_latest(sink))
    }

    /// Reloads the store if this inventory differs from those of the other members, unless it was reloaded recently.
    pub(super) fn repair(&mut self) -> Result<(), Failure> {
        if !self.agreement.differs || self.agreement.is_fresh() {
            return Ok(());
        }
        self.replay(|storage, sink| storage.load(sink))?;
        self.agreement.reloaded_at = Some(Instant::now());
        self.agreement.is_unpublished = true;
        Ok(())
    }

    /// Applies the records that `read` emits, and reports damage and differences that they show.
    fn replay(
        &mut self,
        read: impl FnOnce(
            &mut dyn storage::Storage,
            &mut dyn FnMut(Record),
        ) -> Result<(), storage::Error>,
    ) -> Result<(), Failure> {
        let mut replay = Replay {
            allocator: &mut self.allocator,
            pacer: &mut self.pacer,
            core: &self.core,
            is_shared: self.storage.is_shared(),
            contradiction: None,
            digest: None,
            registered: Vec::new(),
            differences: 0,
            damage: Reported::default(),
        };
        let read = read(&mut *self.storage, &mut |record| replay.apply(record));
        let Replay {
            contradiction,
            digest,
            registered,
            differences,
            damage,
            ..
        } = replay;
        self.report(damage);
        for seen in registered {
            if self.core.is_unseen(seen.instance) {
                self.core.relay(seen);
            }
        }
        if let Some(contradiction) = contradiction {
            return Err(contradiction.into());
        }
        read.map_err(Failure::Read)?;
        if differences > 0 {
            tracing::error!(
                differences,
                "roster repaired from the other members' reports"
            );
            self.metrics.roster_repaired(differences);
            for agrees in [false, true] {
                self.core
                    .events
                    .compared(&self.core, Shared::Roster, agrees);
            }
        }
        if let Some(digest) = digest {
            self.compare(digest);
        }
        Ok(())
    }

    fn compare(&mut self, digest: u64) {
        let agrees = digest == self.core.inventory.digest();
        // A recently reloaded inventory equals the store, so the other member is the one that diverged.
        let is_anothers = !agrees && self.agreement.is_fresh();
        if agrees != self.agreement.differs || is_anothers {
            return;
        }
        if agrees {
            tracing::info!("inventory agrees with the other members again");
        } else {
            tracing::error!(
                "inventory differs from another member's digest, the store is reloaded"
            );
        }
        self.agreement.differs = !agrees;
        self.metrics.compared(agrees);
        self.core
            .events
            .compared(&self.core, Shared::Inventory, agrees);
    }
}
