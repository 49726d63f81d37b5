//! One dictionary within a proposal: the proposed entries over the registered ones.

use std::collections::{HashMap, HashSet};

use super::{
    Row, blocks,
    entry::{Entry, is_internal},
    proposal::error::Error,
    sequence::Sequence,
    table::Table,
};

/// The progress of a dictionary in assigning ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    sequence: Sequence,
    /// The sequence of the internal ids, which agents never receive.
    internal: Sequence,
    /// The number of assigned ids, without the reserved one.
    pub(super) assigned: usize,
    /// The number of adopted ids.
    pub(super) adopted: usize,
}

impl Progress {
    /// The start: only the reserved id is used.
    pub(super) fn start<E: Entry>() -> Self {
        let mut sequence = E::SEQUENCE;
        E::RESERVED.into_iter().for_each(|id| sequence.observe(id));
        Self {
            sequence,
            internal: Sequence::INTERNAL,
            assigned: 0,
            adopted: 0,
        }
    }

    /// Whether an id that agents know was assigned or skipped.
    pub(super) fn has_begun<E: Entry>(&self) -> bool {
        self.sequence != Self::start::<E>().sequence
    }

    /// Skips the ids up to `last`, on both sides of 0 if the sequence has both.
    pub(super) fn pass(&mut self, last: i32) {
        self.sequence.observe(last);
        self.sequence.observe(-last);
    }

    /// Records an id that is already assigned.
    pub(super) fn observe(&mut self, number: i32) {
        if is_internal(number) {
            self.internal.observe(number);
        } else {
            self.sequence.observe(number);
        }
    }
}

/// The recipients of an assigned id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Agents up to 7.0.
    Agents,
    /// Only the collectors.
    Collectors,
}

/// The bytes of memory that a proposal adds to the inventory and removes from it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    added: usize,
    removed: usize,
}

impl Growth {
    fn replace(&mut self, before: usize, after: usize) {
        self.removed += before;
        self.added += after;
    }

    /// The size of the inventory after the proposal is confirmed, given its present size `held`.
    pub(super) const fn applied_to(self, held: usize) -> usize {
        (held + self.added).saturating_sub(self.removed)
    }
}

/// The proposed entries of one dictionary over the registered ones.
pub(super) struct Overlay<'a, E: Entry> {
    table: &'a Table<E>,
    progress: Progress,
    by_key: HashMap<E::Key, E::Id>,
    /// The indices of the proposed entries in the rows of the proposal.
    by_id: HashMap<E::Id, usize>,
    /// The numbers of the blocks that the proposed entries will create.
    blocks: HashSet<u32>,
}

impl<'a, E: Entry> Overlay<'a, E> {
    pub(super) fn new(table: &'a Table<E>, progress: Progress) -> Self {
        Self {
            table,
            progress,
            by_key: HashMap::new(),
            by_id: HashMap::new(),
            blocks: HashSet::new(),
        }
    }

    /// The id of a key, registered or proposed.
    pub(super) fn id(&self, key: &E::Key) -> Option<E::Id> {
        self.table
            .id(E::borrow(key))
            .or_else(|| self.by_key.get(key).copied())
    }

    pub(super) fn knows(&self, id: E::Id) -> bool {
        self.by_id.contains_key(&id) || self.table.contains(id)
    }

    pub(super) fn is_registered(&self, id: E::Id) -> bool {
        self.table.contains(id)
    }

    /// The index of the row that proposes this id.
    pub(super) fn place(&self, id: E::Id) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The reserved id, if its entry is not written yet.
    pub(super) fn reserved(&self) -> Option<E::Id> {
        E::RESERVED
            .and_then(E::numbered)
            .filter(|id| !self.knows(*id))
    }

    /// Assigns the next unused id of the sequence.
    pub(super) fn assign(&mut self, limit: usize, audience: Audience) -> Result<E::Id, Error> {
        let Self {
            table,
            progress,
            by_id,
            ..
        } = self;
        if progress.assigned >= limit {
            return Err(Error::Exhausted(E::DICTIONARY));
        }
        let sequence = match audience {
            Audience::Agents => &mut progress.sequence,
            Audience::Collectors => &mut progress.internal,
        };
        let id = sequence
            .by_ref()
            .filter_map(E::numbered)
            .find(|id| !by_id.contains_key(id) && !table.contains(*id))
            .ok_or(Error::Exhausted(E::DICTIONARY))?;
        progress.assigned += 1;
        Ok(id)
    }

    /// Counts one more adopted id.
    pub(super) fn adopt(&mut self, limit: usize) -> Result<(), Error> {
        if self.progress.adopted >= limit {
            return Err(Error::TooManyAdopted(E::DICTIONARY));
        }
        self.progress.adopted += 1;
        Ok(())
    }

    /// Proposes an entry: a new row, or a newer state of a proposed one. Adds the change in memory to `growth`.
    pub(super) fn write(&mut self, entry: E, rows: &mut Vec<Row>, growth: &mut Growth) {
        let id = entry.id();
        let before = self.place(id).and_then(|place| rows.get(place));
        growth.replace(
            before.map_or_else(|| self.registered_cost(id), Row::cost),
            entry.cost() + self.new_block(id),
        );
        if let Some(key) = entry.key() {
            self.by_key.insert(key, id);
        }
        if let Some(row) = self.place(id).and_then(|place| rows.get_mut(place)) {
            *row = entry.into();
        } else {
            self.by_id.insert(id, rows.len());
            rows.push(entry.into());
        }
    }

    /// The memory of the block that an entry with this id will create, in bytes; 0 if its block exists or was counted before.
    fn new_block(&mut self, id: E::Id) -> usize {
        let is_new = !self.table.has_block(id) && self.blocks.insert(blocks::number(E::number(id)));
        if is_new { E::BLOCK } else { 0 }
    }

    /// The amount by which a proposed entry changes the dictionary's digest.
    pub(super) fn change(&self, entry: &E) -> u64 {
        let before = self.table.entry(entry.id());
        entry
            .digest()
            .wrapping_sub(before.map_or(0, |before| before.digest()))
    }

    /// The memory that the registered state of an entry takes, in bytes; 0 if it is not registered.
    pub(super) fn registered_cost(&self, id: E::Id) -> usize {
        self.table.entry(id).map_or(0, |entry| entry.cost())
    }

    /// The progress of the dictionary after the proposal is confirmed.
    pub(super) const fn progress(&self) -> Progress {
        self.progress
    }
}
