//! Reports damage of a shared store to the operator.

use rollcall_storage::Damage;

use super::writer::Writer;

/// The readiness condition of the store's contents.
const STORED: &str = "stored";

/// Damaged keys of each kind that are logged one by one; further ones are only counted.
const LINES: usize = 16;

/// The damage that was reported during a read of the store.
#[derive(Default)]
pub(super) struct Reported {
    damage: Vec<Damage>,
    /// Soft and hard damage in the list. The end of hard damage is in no limit, nor is hard damage behind much soft damage: both
    /// change the readiness.
    soft: usize,
    hard: usize,
    more: usize,
}

impl Reported {
    pub(super) fn add(&mut self, damage: Damage) {
        let listed = match &damage {
            Damage::Soft { .. } => Some(&mut self.soft),
            Damage::Hard { .. } => Some(&mut self.hard),
            Damage::Repaired => None,
        };
        match listed {
            Some(listed) if *listed >= LINES => self.more += 1,
            listed => {
                if let Some(listed) = listed {
                    *listed += 1;
                }
                self.damage.push(damage);
            }
        }
    }
}

impl Writer {
    /// Reports damage to the log, the metrics and the readiness.
    pub(super) fn report(&self, reported: Reported) {
        let Reported { damage, more, .. } = reported;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_soft_damage_hides_no_hard_damage_and_no_repair() {
        let damage = |at: usize| (format!("key-{at}"), "unreadable".to_owned());
        let mut reported = Reported::default();
        for at in 0..20 {
            let (key, what) = damage(at);
            reported.add(Damage::Soft { key, what });
        }
        for at in 0..20 {
            let (key, what) = damage(at);
            reported.add(Damage::Hard { key, what });
        }
        reported.add(Damage::Repaired);
        let is_hard = |damage: &&Damage| matches!(damage, Damage::Hard { .. });
        assert_eq!(reported.damage.iter().filter(is_hard).count(), LINES);
        assert_eq!(reported.damage.last(), Some(&Damage::Repaired));
        assert_eq!((reported.damage.len(), reported.more), (2 * LINES + 1, 8));
    }
}
