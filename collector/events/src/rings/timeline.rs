//! The bytes of one timeline: its instance, the number of its older changes plus one (0 if that number is unknown), and its
//! changes, oldest first. The length precedes the instance and each change.

use rollcall_domain::Timestamp;

use crate::pack::{Bytes, put_counted, put_number};

/// A timeline in its packed form.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedTimeline<'a> {
    /// The packed instance.
    pub(super) subject: &'a [u8],
    /// The number of older changes that were recorded and are no longer kept; `None` if changes before this timeline are unknown.
    pub(super) older: Option<u64>,
    entries: &'a [u8],
}

/// One change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    /// The packed event.
    pub(super) event: &'a [u8],
}

impl<'a> PackedTimeline<'a> {
    /// The timeline with these bytes; an empty one if they are damaged.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut from = Bytes::of(bytes);
        let subject = from.counted().unwrap_or_default();
        let older = from.number().unwrap_or_default().checked_sub(1);
        let entries = from.rest();
        Self {
            subject,
            older,
            entries,
        }
    }

    /// The bytes of a timeline with one change.
    pub(super) fn begin(subject: &'a [u8], is_first: bool, entry: &[u8]) -> Box<[u8]> {
        let begun = Self {
            subject,
            older: is_first.then_some(0),
            entries: &[],
        };
        begun.and(entry, 1)
    }

    /// The bytes of this timeline with one more change. Only the last `most` changes are kept.
    pub(super) fn and(self, entry: &[u8], most: usize) -> Box<[u8]> {
        let Self {
            subject,
            mut older,
            entries,
        } = self;
        let mut kept = Bytes::of(entries);
        let excess = (self.entries().count() + 1).saturating_sub(most);
        for _ in 0..excess {
            if kept.counted().is_some() {
                older = older.map(|older| older + 1);
            }
        }
        let lengths = 3 * size_of::<u64>();
        let room = subject.len() + kept.rest().len() + entry.len() + lengths;
        let mut bytes = Vec::with_capacity(room);
        put_counted(&mut bytes, subject);
        put_number(&mut bytes, older.map_or(0, |older| older + 1));
        bytes.extend_from_slice(kept.rest());
        put_counted(&mut bytes, entry);
        // A copy of the right size: an allocator that shrinks the buffer in place leaves an unusable rest.
        bytes.as_slice().into()
    }

    /// The time of the oldest of the last `most` changes; `None` if there are fewer.
    pub(super) fn full_since(self, most: usize) -> Option<Timestamp> {
        let mut entries = self.entries();
        let first = entries.next()?;
        let count = 1 + entries.count();
        (count >= most).then_some(first.at)
    }

    /// The changes, oldest first.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let mut from = Bytes::of(self.entries);
        std::iter::from_fn(move || {
            let mut entry = Bytes::of(from.counted()?);
            Some(Entry {
                number: entry.number()?,
                at: Timestamp::from_millis(entry.signed()?),
                event: entry.rest(),
            })
        })
    }
}
