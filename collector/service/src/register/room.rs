//! The memory of the inventory: compares it with its limit and reports when it runs low.

use rollcall_limits::Budget;

use crate::{Core, events::Room as Level, readiness::Readiness};

/// Compares the size of the inventory with its limit after each batch.
#[derive(Debug)]
pub(super) struct Room {
    budget: Budget,
    level: Level,
}

/// The name of the budget and of the readiness condition.
const INVENTORY: &str = "inventory";
/// The percentage of the limit from which room counts as low, and the percentage below which it is ample again.
const LOW: (usize, usize) = (80, 75);

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            budget: Budget::new(INVENTORY, limit),
            level: Level::Ample,
        }
    }

    /// The budget, for the metrics.
    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// Records the size of the inventory, and the number of refused rows and properties. Reports each change of the level once, in
    /// the log, the event feed and the readiness.
    pub(super) fn observe(&mut self, core: &Core, readiness: &Readiness, refused: u64) {
        let (held, limit) = (core.inventory.bytes(), self.budget.limit());
        self.budget.record_held(held);
        self.budget.record_refused(refused);
        let level = self.level_at(held, refused > 0);
        if level == self.level {
            return;
        }
        self.level = level;
        match level {
            Level::Ample => {
                tracing::info!(held, limit, "the inventory has room again");
                readiness.met(INVENTORY);
            }
            Level::Low => {
                tracing::warn!(
                    held,
                    limit,
                    "the inventory is nearly full, new names are refused beyond the limit: raise \
                     register.default.inventory_memory, or remove stale properties with `rollcall-collector store prune`"
                );
                let reason = "is nearly full: new names are refused beyond register.default.inventory_memory";
                readiness.degraded(INVENTORY, reason);
            }
            Level::Full => {
                tracing::error!(
                    held,
                    limit,
                    "the inventory is full, known agents keep working and new names are refused: raise \
                     register.default.inventory_memory, or remove stale properties with `rollcall-collector store prune`"
                );
                let reason = "is full: known agents keep working, new names are refused until register.default.inventory_memory is \
                              raised or `rollcall-collector store prune` has removed stale properties";
                readiness.degraded(INVENTORY, reason);
            }
        }
        core.events.room(core, level);
    }

    fn level_at(&self, held: usize, has_refused: bool) -> Level {
        let limit = self.budget.limit();
        let percent = |part| limit / 100 * part;
        let (low, ample) = LOW;
        match self.level {
            _ if has_refused || held > limit => Level::Full,
            Level::Ample if held < percent(low) => Level::Ample,
            Level::Low | Level::Full if held < percent(ample) => Level::Ample,
            Level::Full => Level::Full,
            Level::Ample | Level::Low => Level::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_left_only_when_there_is_clearly_more_room() {
        let mut room = Room::new(1_000);
        let mut at = |held, has_refused| {
            room.level = room.level_at(held, has_refused);
            room.level
        };
        assert_eq!(at(799, false), Level::Ample);
        assert_eq!(at(800, false), Level::Low);
        assert_eq!(at(760, false), Level::Low);
        assert_eq!(at(990, true), Level::Full);
        assert_eq!(at(900, false), Level::Full);
        assert_eq!(at(749, false), Level::Ample);
        assert_eq!(
            at(1_001, false),
            Level::Full,
            "a smaller limit, or a shared store"
        );
    }
}
