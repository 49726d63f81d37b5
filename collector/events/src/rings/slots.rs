//! Timelines in reusable slots, linked in the order of their last change.

/// The bytes of a slot.
pub(super) const SLOT: usize = size_of::<Slot>();

/// The slots in one allocation. Growing adds an allocation and copies nothing.
const PIECE: usize = 1024;

/// No slot.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Slots {
    pieces: Vec<Vec<Slot>>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
}

#[derive(Debug)]
struct Slot {
    bytes: Box<[u8]>,
    /// The slot with the next older last change.
    older: u32,
    /// The slot with the next newer last change.
    newer: u32,
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self {
            pieces: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }

    /// The timeline in a slot; empty if the slot is free.
    pub(super) fn bytes(&self, slot: u32) -> &[u8] {
        let (piece, place) = position(slot);
        let slot = self.pieces.get(piece).and_then(|piece| piece.get(place));
        slot.map_or(&[], |slot| &slot.bytes)
    }

    /// The slot of the timeline whose last change is the oldest.
    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Stores a timeline as the one that changed last. `None` if four billion are stored.
    pub(super) fn add(&mut self, bytes: Box<[u8]>) -> Option<u32> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.grow()?,
        };
        if let Some(found) = self.slot(slot) {
            found.bytes = bytes;
        }
        self.append(slot);
        Some(slot)
    }

    /// Replaces the timeline in a slot, and makes it the one that changed last.
    pub(super) fn renew(&mut self, slot: u32, bytes: Box<[u8]>) {
        self.unlink(slot);
        if let Some(found) = self.slot(slot) {
            found.bytes = bytes;
        }
        self.append(slot);
    }

    /// Frees a slot.
    pub(super) fn remove(&mut self, slot: u32) -> Box<[u8]> {
        self.unlink(slot);
        self.free.push(slot);
        let found = self.slot(slot);
        found.map_or_else(Box::default, |found| std::mem::take(&mut found.bytes))
    }

    /// The number of the slot after all existing ones.
    pub(super) fn end(&self) -> u32 {
        let all: usize = self.pieces.iter().map(Vec::len).sum();
        u32::try_from(all).unwrap_or(NONE)
    }

    /// The number of slots in use.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let next = |slot: &u32| {
            let (piece, place) = position(*slot);
            Some(self.pieces[piece][place].newer).filter(|newer| *newer != NONE)
        };
        std::iter::successors(self.oldest(), next).count()
    }

    fn append(&mut self, slot: u32) {
        let before = std::mem::replace(&mut self.newest, slot);
        if let Some(found) = self.slot(slot) {
            (found.older, found.newer) = (before, NONE);
        }
        match self.slot(before) {
            Some(before) => before.newer = slot,
            None => self.oldest = slot,
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Some(Slot { older, newer, .. }) = self.slot(slot) else {
            return;
        };
        let (older, newer) = (*older, *newer);
        match self.slot(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.slot(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Slot> {
        let (piece, place) = position(slot);
        self.pieces.get_mut(piece)?.get_mut(place)
    }

    fn grow(&mut self) -> Option<u32> {
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        let last = self.pieces.last_mut()?;
        let slot = u32::try_from(before + last.len()).ok();
        let slot = slot.filter(|slot| *slot != NONE)?;
        last.push(Slot {
            bytes: Box::default(),
            older: NONE,
            newer: NONE,
        });
        Some(slot)
    }
}

fn position(slot: u32) -> (usize, usize) {
    let slot = usize::try_from(slot).unwrap_or(usize::MAX);
    (slot / PIECE, slot % PIECE)
}
