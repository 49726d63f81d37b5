//! Brings back what was stored: the inventory, and a lease for everybody in it.

use std::time::Duration;

use rollcall_domain::{
    InstanceId,
    inventory::{self, Allocator, Row},
    liveness::{LeaseRecord, Lessor, Signal},
};

use crate::{
    clock::Clock,
    storage::{self, Record, Seen, Storage},
};

/// Why what was stored could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The store was read, but two of its rows cannot both be true.
    #[error(
        "the store contradicts itself: {0}; restore it from a copy, or start on an empty directory: agents keep their ids"
    )]
    Contradiction(#[from] inventory::restore::Error),
}

/// Reads the whole store into an empty allocator and an empty lessor.
///
/// Whoever was not down gets a full term and up to `spread` on top, so that a restart expires nobody it has not
/// listened to, and not everybody at once.
pub(super) fn restore(
    storage: &mut dyn Storage,
    allocator: &mut Allocator,
    lessor: &Lessor,
    clock: &Clock,
    spread: Duration,
) -> Result<(), Error> {
    let now = clock.now();
    let mut contradiction = None;
    let mut unheard = Vec::new();
    storage.load(&mut |record| match record {
        Record::Row(row) => {
            // One that others only spoke of (adopted, and never heard of itself) gets its lease with its first sign.
            if let Row::Instance(instance) = &row
                && !instance.adopted
            {
                unheard.push((instance.id, instance.registered_at));
            }
            if let Err(error) = allocator.restore(row) {
                contradiction.get_or_insert(error);
            }
        }
        Record::Seen(seen) => {
            let Seen {
                instance,
                last_seen,
                signal,
                down,
            } = seen;
            let last_seen = clock.moment_of(last_seen);
            let stored = LeaseRecord {
                instance,
                last_seen,
                signal,
                down,
            };
            lessor.restore(stored, now, jitter(instance, spread));
        }
    })?;
    if let Some(error) = contradiction {
        return Err(error.into());
    }
    for (instance, registered_at) in unheard {
        let last_seen = clock.moment_of(registered_at);
        let stored = LeaseRecord {
            instance,
            last_seen,
            signal: Signal::Register,
            down: false,
        };
        lessor.restore(stored, now, jitter(instance, spread));
    }
    Ok(())
}

/// A part of `spread` that is the same for an instance at every start, and evenly spread over instances.
fn jitter(instance: InstanceId, spread: Duration) -> Duration {
    let hashed = instance.get().cast_unsigned().wrapping_mul(0x9E37_79B9);
    spread.mul_f64(f64::from(hashed) / f64::from(u32::MAX))
}
