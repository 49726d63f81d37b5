//! Restores the stored data: the inventory, and a lease for each of its instances.

use std::{io, panic::resume_unwind, thread};

use crossbeam_channel::{Receiver, Sender};
use rollcall_domain::{
    Moment,
    inventory::{self, Allocator, Dictionary, InstanceView, Inventory, restore::PreparedRow},
    liveness::{Counts, LeaseRecord, Observer},
};
use rollcall_runtime::Clock;
use rollcall_service::{Leases, progress::Progress};
use rollcall_storage::{self as storage, LastSeen, Part, Reader, Record, Storage};

/// Why the stored data could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The system refused a thread.
    #[error("cannot start a thread to read the store: {0}")]
    Thread(#[from] io::Error),
    /// The store has more data than the process could keep in memory.
    #[error(
        "the store holds more than the {ceiling} bytes of memory that this process can spare for it: give the process more \
         memory, set register.default.inventory_memory if it has more, or remove stale properties with `rollcall-collector \
         store prune`"
    )]
    TooLarge {
        /// In bytes.
        ceiling: usize,
    },
    /// The store was read, but two of its rows contradict each other.
    #[error(
        "the store contradicts itself: {0}; restore it from a copy, or start on an empty directory: agents keep their ids"
    )]
    Contradiction(#[from] inventory::restore::Error),
}

/// Reads the whole store into an empty allocator and an empty lessor.
///
/// An instance that was not down is up for a full term, which begins when the sweeper starts. Two threads share the work, to
/// shorten the time until the collector is ready.
pub(super) fn restore(
    storage: &mut dyn Storage,
    allocator: &mut Allocator,
    lessor: &Leases,
    clock: &Clock,
    ceiling: usize,
    progress: &Progress,
) -> Result<(), Error> {
    let counts = storage.counts()?;
    progress.expect(counts.records());
    reserve(counts, allocator, lessor);
    for (dictionary, first) in storage.first_ids()?.iter() {
        allocator.reserve_below(dictionary, first);
    }
    let now = clock.now();
    // The clock is read once, because there may be millions of leases.
    let start = clock.wall_at(Moment::from_millis(0)).millis();
    let lease = |seen: LastSeen| {
        let last_seen = seen.last_seen.millis().saturating_sub(start);
        let stored = LeaseRecord {
            key: seen.instance,
            last_seen: Moment::from_millis(last_seen),
            signal: seen.signal,
            state: seen.state,
            usual: seen.usual,
            observer: Observer::Elsewhere(seen.observer),
            forgotten: seen.forgotten,
        };
        lessor.restore(stored, now);
    };
    let inventory = allocator.inventory();
    let instances = thread::scope(|scope| {
        let (chunks, received) = crossbeam_channel::bounded(CHUNKS_AHEAD);
        let filling = thread::Builder::new()
            .name("restore".to_owned())
            .spawn_scoped(scope, || fill(allocator, lease, lessor, received, ceiling))?;
        let loaded = read(storage, &inventory, &chunks, progress);
        drop(chunks);
        let filled = filling.join().unwrap_or_else(|panic| resume_unwind(panic));
        let filled = filled?;
        loaded?;
        Ok::<_, Error>(filled)
    })?;
    let Counts {
        up,
        silent,
        down,
        left,
        forgotten,
        ..
    } = lessor.counts();
    if up + silent + down + left + forgotten < instances {
        grant_unseen(&allocator.inventory(), lessor, lease);
    }
    Ok(())
}

/// Grants leases to the instances whose leases were never written back. Their last known signal is their registration.
fn grant_unseen(inventory: &Inventory, lessor: &Leases, lease: impl Fn(LastSeen)) {
    let mut after = None;
    loop {
        let page = inventory.positions(after, PAGE);
        let Some(last) = page.last().copied() else {
            return;
        };
        let ids = page.into_iter().map(|position| position.instance);
        ids.filter(|id| lessor.view(*id).is_none())
            .filter_map(|id| LastSeen::registered(&inventory.instance(id)?.into()))
            .for_each(&lease);
        after = Some(last);
    }
}

/// Reserves capacity for all records in advance, so that no map is copied repeatedly while it grows.
fn reserve(counts: storage::Counts, allocator: &mut Allocator, lessor: &Leases) {
    allocator.reserve(Dictionary::Applications, counts.applications);
    allocator.reserve(Dictionary::Instances, counts.instances);
    allocator.reserve(Dictionary::Operations, counts.operations);
    allocator.reserve(Dictionary::Addresses, counts.addresses);
    // Each lease belongs to an instance. The lease count of a shared store is only an upper bound, of full chunks.
    lessor.reserve(counts.instances);
}

/// The number of instances that are read at a time to grant leases that were never written back.
const PAGE: usize = 1024;
/// Chunks that may wait for the inventory.
const CHUNKS_AHEAD: usize = 16;

/// A message to the inventory thread.
enum Chunk {
    Prepared(Vec<Restored>),
    /// Not decoded yet.
    Part(Part),
}

/// A record for the inventory thread.
enum Restored {
    Row(PreparedRow),
    /// A later state of an instance.
    Changed(PreparedRow),
    LastSeen(LastSeen),
}

impl Restored {
    const fn row(&self) -> Option<&PreparedRow> {
        match self {
            Self::Row(row) | Self::Changed(row) => Some(row),
            Self::LastSeen(_) => None,
        }
    }
}

/// Decodes and prepares the records of a part.
fn prepare(part: Part, inventory: &Inventory) -> Result<Vec<Restored>, storage::Error> {
    let mut preparing = Preparing {
        inventory,
        restored: Vec::with_capacity(part.len()),
    };
    part.read(&mut preparing)?;
    Ok(preparing.restored)
}

struct Preparing<'a> {
    inventory: &'a Inventory,
    restored: Vec<Restored>,
}

impl Reader for Preparing<'_> {
    fn record(&mut self, record: Record) {
        let inventory = self.inventory;
        self.restored.push(match record {
            Record::Row(row) => Restored::Row(inventory.prepare(&row)),
            Record::Changed(row) => Restored::Changed(inventory.prepare_instance(&row.view())),
            Record::LastSeen(seen) => Restored::LastSeen(seen),
            Record::Damage(damage) => {
                tracing::error!(?damage, "a key of the store was skipped");
                return;
            }
            Record::Unchanged(_) | Record::Digest(_) => return,
        });
    }

    fn instance(&mut self, instance: InstanceView<'_>) {
        let prepared = self.inventory.prepare_instance(&instance);
        self.restored.push(Restored::Row(prepared));
    }
}

/// Reads the store and sends it to the inventory thread. Prepares the parts for it, but not while that thread has nothing to insert:
/// then that thread prepares a part itself. So both threads are busy until the end.
fn read(
    storage: &mut dyn Storage,
    inventory: &Inventory,
    chunks: &Sender<Chunk>,
    progress: &Progress,
) -> Result<(), storage::Error> {
    storage.load_parts(&mut |part| {
        progress.add(part.len());
        let chunk = if chunks.is_empty() {
            Chunk::Part(part)
        } else {
            Chunk::Prepared(prepare(part, inventory)?)
        };
        if chunks.send(chunk).is_err() {
            tracing::debug!("a row was refused, further rows are dropped");
        }
        Ok(())
    })
}

/// Inserts rows and grants leases from last-seen records until the channel ends. Returns the number of instances.
fn fill(
    allocator: &mut Allocator,
    lease: impl Fn(LastSeen),
    lessor: &Leases,
    chunks: Receiver<Chunk>,
    ceiling: usize,
) -> Result<usize, Error> {
    let mut instances = 0;
    let inventory = allocator.inventory();
    for chunk in chunks {
        let chunk = match chunk {
            Chunk::Prepared(restored) => restored,
            Chunk::Part(part) => prepare(part, &inventory)?,
        };
        inventory.anticipate(chunk.iter().filter_map(Restored::row));
        for restored in chunk {
            let (row, is_first) = match restored {
                Restored::Row(row) => (row, true),
                Restored::Changed(row) => (row, false),
                Restored::LastSeen(seen) => {
                    lease(seen);
                    continue;
                }
            };
            let instance = row.instance();
            allocator.insert(row)?;
            // The record of the instance's lease may have arrived before its row.
            if let Some(instance) = instance {
                instances += usize::from(is_first);
                lessor.learn_group(instance);
            }
            if inventory.bytes() > ceiling {
                return Err(Error::TooLarge { ceiling });
            }
        }
    }
    Ok(instances)
}
