//! Brings back what was stored: the inventory, and a lease for everybody in it.

use std::{io, mem, panic::resume_unwind, thread};

use crossbeam_channel::{Receiver, Sender};
use rollcall_domain::{
    inventory::{self, Allocator, Dictionary, Row},
    liveness::{Counts, LeaseRecord},
};
use rollcall_runtime::Clock;
use rollcall_service::{Leases, progress::Progress};
use rollcall_storage::{self as storage, LastSeen, Record, Storage};

/// Why what was stored could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The system refused a thread.
    #[error("cannot start a thread to read the store: {0}")]
    Thread(#[from] io::Error),
    /// The store holds more than the process could keep in memory.
    #[error(
        "the store holds more than the {ceiling} bytes of memory that this process can spare for it: give the process more \
         memory, set register.default.inventory_memory if it has more, or remove stale properties with `rollcall-collector \
         store prune`"
    )]
    TooLarge {
        /// In bytes.
        ceiling: usize,
    },
    /// The store was read, but two of its rows cannot both be true.
    #[error(
        "the store contradicts itself: {0}; restore it from a copy, or start on an empty directory: agents keep their ids"
    )]
    Contradiction(#[from] inventory::restore::Error),
}

/// Reads the whole store into an empty allocator and an empty lessor.
///
/// An instance that was not down is up until a full term has been listened to, which begins when the sweeper does. Two threads
/// share the work, since a collector is not ready before it is done.
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
        allocator.draw_from(dictionary, first);
    }
    let now = clock.now();
    let lease = |seen: LastSeen| {
        let stored = LeaseRecord {
            key: seen.instance,
            last_seen: clock.moment_of(seen.last_seen),
            signal: seen.signal,
            state: seen.state,
            usual: seen.usual,
        };
        lessor.restore(stored, now);
    };
    let Instances { count, registered } = thread::scope(|scope| {
        let (chunks, received) = crossbeam_channel::bounded(CHUNKS_AHEAD);
        let inventory = thread::Builder::new()
            .name("restore".to_owned())
            .spawn_scoped(scope, || fill(allocator, lease, lessor, received, ceiling))?;
        let loaded = read(storage, &chunks, progress);
        drop(chunks);
        let filled = inventory
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic));
        let filled = filled?;
        loaded?;
        Ok::<_, Error>(filled)
    })?;
    let Counts {
        up,
        silent,
        down,
        left,
        ..
    } = lessor.counts();
    if up + silent + down + left < count {
        // The rest was never written back; those that were registered are known to have been there.
        registered.into_iter().for_each(lease);
    }
    Ok(())
}

/// Makes room for everything before it comes, so that no map grows, and is copied, again and again.
fn reserve(counts: storage::Counts, allocator: &mut Allocator, lessor: &Leases) {
    allocator.reserve(Dictionary::Applications, counts.applications);
    allocator.reserve(Dictionary::Instances, counts.instances);
    allocator.reserve(Dictionary::Operations, counts.operations);
    allocator.reserve(Dictionary::Addresses, counts.addresses);
    // Every lease is that of an instance. A shared store counts its chunks of leases as if they were full.
    lessor.reserve(counts.instances);
}

/// Records that are handed over at once, so that handing over costs little.
const CHUNK: usize = 1024;
/// The most bytes of properties in a chunk, so that few large rows do not wait in memory for the inventory.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that may wait for the inventory.
const CHUNKS_AHEAD: usize = 16;

/// Reads and decodes, which is half of the work, and sends what it finds to who has the other half.
fn read(
    storage: &mut dyn Storage,
    chunks: &Sender<Vec<Record>>,
    progress: &Progress,
) -> Result<(), storage::Error> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut bytes = 0;
    let send = |chunk: Vec<Record>| {
        progress.add(chunk.len());
        if chunks.send(chunk).is_err() {
            tracing::debug!("a row was refused, and the rest is not wanted");
        }
    };
    storage.load(&mut |record| {
        if let Record::Row(Row::Instance(instance)) = &record {
            bytes += instance.properties.bytes();
        }
        chunk.push(record);
        if chunk.len() == CHUNK || bytes >= CHUNK_BYTES {
            bytes = 0;
            send(mem::replace(&mut chunk, Vec::with_capacity(CHUNK)));
        }
    })?;
    send(chunk);
    Ok(())
}

/// The instances that were restored.
#[derive(Default)]
struct Instances {
    count: usize,
    /// Those that registered, as last heard of then.
    registered: Vec<LastSeen>,
}

/// Restores rows, and gives leases to those who were heard of, until no more come.
fn fill(
    allocator: &mut Allocator,
    lease: impl Fn(LastSeen),
    lessor: &Leases,
    chunks: Receiver<Vec<Record>>,
    ceiling: usize,
) -> Result<Instances, Error> {
    let mut instances = Instances::default();
    let inventory = allocator.inventory();
    for record in chunks.into_iter().flatten() {
        let row = match record {
            Record::Row(row) => row,
            Record::Changed(instance) => {
                let id = instance.id;
                allocator.restore(Row::Instance(instance))?;
                lessor.learn_group(id);
                continue;
            }
            Record::Damage(damage) => {
                tracing::error!(?damage, "a key of the store was skipped");
                continue;
            }
            Record::Unchanged(_) | Record::Digest(_) => continue,
            Record::LastSeen(seen) => {
                lease(seen);
                continue;
            }
        };
        instances.count += usize::from(matches!(row, Row::Instance(_)));
        instances.registered.extend(LastSeen::registered(&row));
        let instance = match &row {
            Row::Instance(instance) => Some(instance.id),
            Row::Application(_) | Row::Operation(_) | Row::Address(_) => None,
        };
        allocator.restore(row)?;
        // The record of its lease may have come before it.
        if let Some(instance) = instance {
            lessor.learn_group(instance);
        }
        if inventory.bytes() > ceiling {
            return Err(Error::TooLarge { ceiling });
        }
    }
    Ok(instances)
}
