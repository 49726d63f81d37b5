//! How the writer follows other collectors, and finds out whether it still agrees with them.
//!
//! Whoever writes to a shared store says with each batch what its inventory holds then, as a digest. Whoever takes the batch in
//! compares. Two inventories can differ only by a mistake (of the code, of the memory), or because one release of Rollcall
//! knows more of a row than the other; so a difference is told, the store is read anew, and nobody is stopped. Whoever has read
//! it says what it holds then, in an entry of its own if need be: the one that is wrong may be the one that writes, and hears of
//! it only so.
//!
//! The roster is compared entry by entry: a chunk of last signs that changes is given whole, and whatever this collector should
//! have known of before and does not is a difference. It is put right there and then.

use rollcall_domain::inventory::{self, Allocator, Row};
use rollcall_storage::{self as storage, LastSeen, Record};
use tokio::time::Instant;

use super::{
    damage::Reported,
    pace::Pacer,
    writer::{Failure, Writer, instance_of, is_adoption},
};
use crate::{Core, events::Shared};

/// What comes from others on its way into the inventory and the leases.
struct Intake<'a> {
    allocator: &'a mut Allocator,
    pacer: &'a mut Pacer,
    core: &'a Core,
    contradiction: Option<inventory::restore::Error>,
    /// What the inventory should be once all of it is taken in, if its last writer says that.
    digest: Option<u64>,
    /// Instances without a lease, as they registered. Not before all is read, since what follows may be that they are down.
    registered: Vec<LastSeen>,
    /// Instances of which less was known than should have been.
    differences: usize,
    damage: Reported,
}

impl Intake<'_> {
    fn take(&mut self, record: Record) {
        match record {
            Record::Row(row) => {
                // It says nothing of what comes after it.
                self.digest = None;
                let registered = LastSeen::registered(&row);
                if is_adoption(&row) {
                    // Its agent is connected to another collector, which lost its store with this one.
                    self.core.listening.observe_unknown_id();
                }
                let instance = instance_of(&row);
                match self.allocator.apply(row) {
                    Ok(()) => {
                        let unheard = |seen: &LastSeen| self.core.is_unheard(seen.instance);
                        self.registered.extend(registered.filter(unheard));
                        if let Some(instance) = instance {
                            self.core.lessor.learn_group(instance);
                        }
                    }
                    Err(error) => self.contradiction = self.contradiction.or(Some(error)),
                }
            }
            Record::LastSeen(seen) => self.core.relay(seen),
            Record::Unchanged(seen) => {
                if self.core.knows_less(seen) {
                    self.differences += 1;
                    self.core.relay(seen);
                }
            }
            Record::Changed(instance) => {
                let id = instance.id;
                self.pacer.note(id);
                if let Err(error) = self.allocator.apply(Row::Instance(instance)) {
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
    /// Takes in what other collectors have made durable.
    pub(super) fn catch_up(&mut self) -> Result<(), Failure> {
        self.take_in(|storage, sink| storage.catch_up(sink))
    }

    /// Takes in what other collectors have made durable up to now, as the store itself tells it.
    pub(super) fn read_latest(&mut self) -> Result<(), Failure> {
        self.take_in(|storage, sink| storage.read_latest(sink))
    }

    /// Reads the store anew, if what was taken in is not what the others have, and it was not done just now.
    pub(super) fn repair(&mut self) -> Result<(), Failure> {
        if !self.agreement.differs || self.agreement.is_fresh() {
            return Ok(());
        }
        self.take_in(|storage, sink| storage.load(sink))?;
        self.agreement.read_anew = Some(Instant::now());
        self.agreement.is_unpublished = true;
        Ok(())
    }

    fn take_in(
        &mut self,
        read: impl FnOnce(
            &mut dyn storage::Storage,
            &mut dyn FnMut(Record),
        ) -> Result<(), storage::Error>,
    ) -> Result<(), Failure> {
        let mut intake = Intake {
            allocator: &mut self.allocator,
            pacer: &mut self.pacer,
            core: &self.core,
            contradiction: None,
            digest: None,
            registered: Vec::new(),
            differences: 0,
            damage: Reported::default(),
        };
        let read = read(&mut *self.storage, &mut |record| intake.take(record));
        let Intake {
            contradiction,
            digest,
            registered,
            differences,
            damage,
            ..
        } = intake;
        self.report(damage);
        for seen in registered {
            if self.core.is_unheard(seen.instance) {
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
                "the roster was not what other collectors say, and is now"
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

    fn compare(&mut self, told: u64) {
        let agrees = told == self.core.inventory.digest();
        // An inventory that was just read is what the store holds: it is another one that has to be read anew, and is told.
        let is_anothers = !agrees && self.agreement.is_fresh();
        if agrees != self.agreement.differs || is_anothers {
            return;
        }
        if agrees {
            tracing::info!("the inventory is again what the other collectors say");
        } else {
            tracing::error!(
                "the inventory is not what another collector says: the store is read anew"
            );
        }
        self.agreement.differs = !agrees;
        self.metrics.compared(agrees);
        self.core
            .events
            .compared(&self.core, Shared::Inventory, agrees);
    }
}
