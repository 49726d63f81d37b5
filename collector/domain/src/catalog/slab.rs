//! Records in reusable slots, in chunks, so that growing copies nothing.

use super::InstanceRef;

const PIECE: usize = 1024;

#[derive(Debug)]
pub(super) struct Slab<T> {
    pieces: Vec<Vec<Slot<T>>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Stores a value. `None` if four billion are stored.
    pub(super) fn insert(&mut self, value: T) -> Option<InstanceRef> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => self.grow()?,
        };
        let slot = self.slot_mut(index)?;
        slot.value = Some(value);
        let generation = slot.generation;
        Some(InstanceRef { index, generation })
    }

    pub(super) fn get(&self, at: InstanceRef) -> Option<&T> {
        let slot = self.slot(at.index)?;
        (slot.generation == at.generation).then_some(slot.value.as_ref())?
    }

    /// The value in a slot that is in use.
    pub(super) fn at(&self, index: u32) -> Option<&T> {
        self.slot(index)?.value.as_ref()
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slot_mut(index)?.value.as_mut()
    }

    /// The values of one chunk; `None` beyond the last chunk.
    pub(super) fn chunk(&self, number: usize) -> Option<impl Iterator<Item = &T>> {
        let slots = self.pieces.get(number)?;
        Some(slots.iter().filter_map(|slot| slot.value.as_ref()))
    }

    pub(super) fn reference(&self, index: u32) -> Option<InstanceRef> {
        let generation = self.slot(index)?.generation;
        Some(InstanceRef { index, generation })
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slot_mut(index)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let index = usize::try_from(index).ok()?;
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = usize::try_from(index).ok()?;
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    fn grow(&mut self) -> Option<u32> {
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        let last = self.pieces.last_mut()?;
        let index = u32::try_from(before + last.len()).ok()?;
        last.push(Slot {
            generation: 0,
            value: None,
        });
        Some(index)
    }
}
