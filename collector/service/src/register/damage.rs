//! Reports damage of a shared store to the operator.

use rollcall_storage::Damage;

use super::writer::Writer;

/// The readiness condition of the store's contents.
const STORED: &str = "stored";

/// Damaged keys that are logged one by one; further ones are only counted.
const LINES: usize = 16;

/// The damage that was reported during a read of the store.
#[derive(Default)]
pub(super) struct Reported {
    damage: Vec<Damage>,
    more: usize,
}

impl Reported {
    pub(super) fn add(&mut self, damage: Damage) {
        if self.damage.len() < LINES {
            self.damage.push(damage);
        } else {
            self.more += 1;
        }
    }
}

impl Writer {
    /// Reports damage to the log, the metrics and the readiness.
    pub(super) fn report(&self, reported: Reported) {
        let Reported { damage, more } = reported;
        for damage in damage {
            match &damage {
                Damage::Soft { key, what } => {
                    self.metrics.store_damaged(1);
                    tracing::error!(key, what, "a key of the store was skipped");
                }
                Damage::Hard { key, what } => {
                    self.metrics.store_damaged(1);
                    let advice = "this collector still has the row in memory, but a collector that starts cannot read the store: restore etcd \
                                  from a backup, or stop all collectors and delete everything below the store's prefix \
                                  (running agents keep their ids)";
                    tracing::error!(key, what, "the store is damaged: {advice}");
                    let reason = format!("{key}: {what}: {advice}");
                    self.readiness.degraded(STORED, reason);
                }
                Damage::Repaired => {
                    tracing::info!("the store is no longer damaged");
                    self.readiness.met(STORED);
                }
            }
        }
        if more > 0 {
            self.metrics.store_damaged(more);
            tracing::error!(more, "more keys of the store are damaged");
        }
    }
}
