//! The timelines: the last changes of each instance.
//!
//! A timeline exists from the first change of its instance. All timelines of one kind share a budget of bytes. Beyond the budget,
//! the timeline with the oldest last change is dropped. The number of changes in a timeline is limited, so an instance that changes
//! often displaces only its own changes.
//!
//! A timeline is one allocation (see `timeline.rs`), and an index finds it by its instance: about 100 bytes for an instance
//! with one change.

mod packed;
mod slots;
mod timeline;

use std::{
    collections::{BTreeSet, HashMap},
    hash::RandomState,
    marker::PhantomData,
    time::Duration,
};

use hashbrown::HashTable;
use rollcall_domain::Timestamp;
use rollcall_limits::Budget;

use super::{
    event::Recorded,
    pack::{self, Subject, Words},
};
pub(super) use packed::Packed;
use slots::Slots;
use timeline::PackedTimeline;

/// An instance that fills its timeline within this time changes too often for single events.
const FLAPPING: Duration = Duration::from_secs(60);

/// The bytes of a timeline besides its allocation: its slot, and its entry in the index with a byte of the table, at a load of
/// one half.
const ENTRY: usize = slots::SLOT + (size_of::<Place>() + 1) * 2;

/// The slots that a list reads under the lock at a time: some tens of microseconds, because recording an event needs the same lock.
const STEP: u32 = 256;

/// The bytes of an entry in the map of unrecorded changes at the usual load, and of one in the set of floods. A timeline has at
/// most one of each.
const UNRECORDED: usize = 48;

/// The timelines of one kind of instances.
#[derive(Debug)]
pub(super) struct Rings<S> {
    per_instance: usize,
    budget: Budget,
    held: usize,
    slots: Slots,
    /// By the packed instance of the timeline.
    by_subject: HashTable<Place>,
    hashing: RandomState,
    /// Changes that were not recorded since the last recorded one, by slot: their number, and the time of the first.
    unrecorded: HashMap<u32, (u64, Timestamp)>,
    /// The slots of the instances that changed too often, each with an entry in `unrecorded`.
    floods: BTreeSet<u32>,
    /// The slot at which the next sweep of `floods` starts.
    next_flood: u32,
    words: Words,
    subject: PhantomData<S>,
}

/// The slot of a timeline, with the hash of its subject. A growing table needs the hash, and reading the timelines for it would
/// take a fifth of a second for half a million of them.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    slot: u32,
}

impl<S: Subject> Rings<S> {
    pub(super) fn new(per_instance: usize, budget: Budget) -> Self {
        Self {
            per_instance: per_instance.max(1),
            budget,
            held: 0,
            slots: Slots::new(),
            by_subject: HashTable::new(),
            hashing: RandomState::new(),
            unrecorded: HashMap::new(),
            floods: BTreeSet::new(),
            next_flood: 0,
            words: Words::default(),
            subject: PhantomData,
        }
    }

    /// The instance as the calls about one event need it.
    pub(super) fn packed(&self, subject: &S) -> Packed<S> {
        Packed::new(subject, &self.hashing)
    }

    /// Whether a change that a peer caused may be recorded; otherwise it is counted.
    pub(super) fn admit(&mut self, subject: &Packed<S>, at: Timestamp) -> bool {
        let found = self.find(subject);
        let Some(slot) = found.filter(|slot| self.is_flooded(*slot, at)) else {
            return true;
        };
        self.floods.insert(slot);
        self.count_in(slot, at);
        false
    }

    /// Counts a change that is not recorded. An instance without a timeline has no count.
    pub(super) fn count(&mut self, subject: &Packed<S>, at: Timestamp) {
        if let Some(slot) = self.find(subject) {
            self.count_in(slot, at);
        }
    }

    fn count_in(&mut self, slot: u32, at: Timestamp) {
        let counted = self.unrecorded.entry(slot).or_insert_with(|| {
            self.held += UNRECORDED;
            (0, at)
        });
        counted.0 += 1;
        self.fit();
    }

    /// Takes the changes of an instance that were not recorded, before the next one is: their number, and the time of the first.
    pub(super) fn take_counted(&mut self, subject: &Packed<S>) -> Option<(u64, Timestamp)> {
        let slot = self.find(subject)?;
        self.take_unrecorded(slot)
    }

    /// Whether an instance has a timeline.
    pub(super) fn has(&self, subject: &Packed<S>) -> bool {
        self.find(subject).is_some()
    }

    /// Adds a change; `is_first` is whether no change of the instance precedes it.
    pub(super) fn add(
        &mut self,
        subject: &Packed<S>,
        (number, at): (u64, Timestamp),
        event: &S::Event,
        is_first: bool,
    ) {
        let mut entry = Vec::with_capacity(packed::USUAL);
        pack::put_number(&mut entry, number);
        pack::put_signed(&mut entry, at.millis());
        S::pack_event(event, at, &mut self.words, &mut entry);
        match self.find(subject) {
            Some(slot) => {
                let before = self.slots.bytes(slot);
                let bytes = PackedTimeline::of(before).and(&entry, self.per_instance);
                self.held -= allocation(before.len());
                self.held += allocation(bytes.len());
                self.slots.renew(slot, bytes);
            }
            None => {
                let bytes = PackedTimeline::begin(&subject.bytes, is_first, &entry);
                self.insert(subject.hash, bytes);
            }
        }
        self.fit();
    }

    /// Drops timelines beyond the budget.
    fn fit(&mut self) {
        while self.held > self.budget.limit() && self.drop_oldest() {}
        self.budget.record_held(self.held);
    }

    fn insert(&mut self, hash: u32, bytes: Box<[u8]>) {
        let cost = ENTRY + allocation(bytes.len());
        let Some(slot) = self.slots.add(bytes) else {
            return;
        };
        self.held += cost;
        let place = Place { hash, slot };
        let table = &mut self.by_subject;
        table.insert_unique(place.spread(), place, Place::spread);
    }

    fn find(&self, subject: &Packed<S>) -> Option<u32> {
        let place = Place {
            hash: subject.hash,
            slot: 0,
        };
        let is_it =
            |it: &Place| it.hash == subject.hash && self.timeline(it.slot).subject == subject.bytes;
        let found = self.by_subject.find(place.spread(), is_it);
        found.map(|found| found.slot)
    }

    fn timeline(&self, slot: u32) -> PackedTimeline<'_> {
        PackedTimeline::of(self.slots.bytes(slot))
    }

    fn take_unrecorded(&mut self, slot: u32) -> Option<(u64, Timestamp)> {
        let taken = self.unrecorded.remove(&slot);
        if taken.is_some() {
            self.held -= UNRECORDED;
            self.floods.remove(&slot);
        }
        taken
    }

    /// Removes and returns the counts of instances that no longer change too often: the last recorded change of each, the number of
    /// changes that were not recorded, and the time of the first of them. Examines up to `limit` instances.
    pub(super) fn ended_floods(
        &mut self,
        at: Timestamp,
        limit: usize,
    ) -> Vec<(Recorded, u64, Timestamp)> {
        let slots = self.floods.range(self.next_flood..).take(limit).copied();
        let slots: Vec<u32> = slots.collect();
        self.next_flood = match slots.last() {
            Some(last) if slots.len() == limit => last.saturating_add(1),
            _ => 0,
        };
        let mut ended = Vec::new();
        for slot in slots {
            if self.is_flooded(slot, at) {
                continue;
            }
            let taken = self.take_unrecorded(slot);
            let timeline = self.timeline(slot);
            let last = timeline.entries().last();
            let last = last.and_then(|entry| self.event(timeline, entry));
            if let (Some((count, since)), Some(last)) = (taken, last) {
                ended.push((last, count, since));
            }
        }
        ended
    }

    /// Whether the instance of a timeline changes too often for single events.
    fn is_flooded(&self, slot: u32, at: Timestamp) -> bool {
        let full_since = self.timeline(slot).full_since(self.per_instance);
        // The wall clock may have been set back to before the changes of the timeline.
        full_since.is_some_and(|since| at >= since && at.since(since) < FLAPPING)
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(slot) = self.slots.oldest() else {
            return false;
        };
        self.take_unrecorded(slot);
        let hash = packed::hash(self.timeline(slot).subject, &self.hashing);
        let place = Place { hash, slot };
        let found = self
            .by_subject
            .find_entry(place.spread(), |it| it.slot == slot);
        if let Ok(found) = found {
            found.remove();
        }
        let bytes = self.slots.remove(slot);
        self.held -= ENTRY + allocation(bytes.len());
        self.budget.record_refused(1);
        true
    }

    /// The changes of an instance, oldest first, and how many older ones there were; `None` if that is unknown.
    pub(super) fn of(&self, subject: &S) -> (Vec<Recorded>, Option<u64>) {
        let Some(slot) = self.find(&self.packed(subject)) else {
            return (Vec::new(), None);
        };
        let timeline = self.timeline(slot);
        let unrecorded = self.unrecorded.get(&slot).map_or(0, |(count, _)| *count);
        let lost = timeline.older.map(|older| older + unrecorded);
        let events = timeline
            .entries()
            .filter_map(|entry| self.event(timeline, entry));
        (events.collect(), lost)
    }

    fn event(&self, timeline: PackedTimeline<'_>, entry: timeline::Entry<'_>) -> Option<Recorded> {
        let timeline::Entry { number, at, event } = entry;
        let event = S::unpack(timeline.subject)?.unpack_event(at, &self.words, event)?;
        Some(Recorded { number, at, event })
    }

    /// The newest change of an instance before the one with this number for which `read` has a value.
    pub(super) fn last<T>(
        &self,
        subject: &S,
        before: u64,
        read: impl Fn(&Recorded) -> Option<T>,
    ) -> Option<T> {
        let timeline = self.timeline(self.find(&self.packed(subject))?);
        let entries = timeline.entries().filter(|entry| entry.number < before);
        let entries: Vec<_> = entries.collect();
        let mut newest_first = entries.into_iter().rev();
        newest_first.find_map(|entry| read(&self.event(timeline, entry)?))
    }

    /// Adds instances whose timeline `keeps` selects to `found`, up to `limit` in all. Reads some timelines, starting at the slot
    /// `from`, and returns the slot after them; `None` at the end.
    pub(super) fn subjects(
        &self,
        from: u32,
        keeps: impl Fn(&[u8]) -> bool,
        (found, limit): (&mut Vec<S>, usize),
    ) -> Option<u32> {
        let end = self.slots.end().min(from.saturating_add(STEP));
        let subjects = (from..end).map(|slot| self.timeline(slot).subject);
        let kept = subjects.filter(|subject| !subject.is_empty() && keeps(subject));
        for subject in kept.filter_map(S::unpack) {
            // A timeline that was dropped and began again meanwhile may be read twice, in two slots.
            if found.len() < limit && !found.contains(&subject) {
                found.push(subject);
            }
        }
        (end < self.slots.end() && found.len() < limit).then_some(end)
    }

    /// The budget of the timelines.
    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// The number of timelines.
    pub(super) fn len(&self) -> usize {
        self.by_subject.len()
    }
}

impl Place {
    /// The hash in 64 bits: the table uses the highest and the lowest ones.
    fn spread(&self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

/// The bytes that an allocator uses for an allocation of this size: it rounds to 16 bytes with a header of 8.
const fn allocation(bytes: usize) -> usize {
    let padded = (bytes + 8).next_multiple_of(16);
    if padded < 32 { 32 } else { padded }
}

#[cfg(test)]
mod tests;
