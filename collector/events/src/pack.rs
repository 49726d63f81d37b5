//! The subjects and events of timelines as bytes. A collector holds a timeline for each of up to millions of instances, and reads
//! few of them.
//!
//! A number is written with seven bits in each byte, the lowest first. The bytes exist only in memory, so their form may change in
//! any release.

mod instance;
mod service;
mod text;

use rollcall_domain::Timestamp;

use super::event::Event;

pub(super) use service::PackedFilter;
pub(super) use text::Words;

/// The subject of a timeline.
pub(super) trait Subject: PartialEq + Sized {
    /// The type of its events.
    type Event;

    /// Appends it. Equal subjects have equal bytes.
    fn pack(&self, bytes: &mut Vec<u8>);

    /// The subject with these bytes; `None` if they are not a packed subject.
    fn unpack(bytes: &[u8]) -> Option<Self>;

    /// Appends an event of this time, without its subject.
    fn pack_event(event: &Self::Event, at: Timestamp, words: &mut Words, bytes: &mut Vec<u8>);

    /// The event with these bytes and this time; `None` if they are not a packed event.
    fn unpack_event(self, at: Timestamp, words: &Words, bytes: &[u8]) -> Option<Event>;
}

/// Reads bytes that this module wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes that have not been read.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes with their length in front.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A time, as its distance from another one.
    fn time_from(&mut self, from: Timestamp) -> Option<Timestamp> {
        let millis = from.millis().wrapping_add(self.signed()?);
        Some(Timestamp::from_millis(millis))
    }
}

pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Appends a number so that those close to zero are short.
pub(super) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put_number(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends bytes with their length in front.
pub(super) fn put_counted(bytes: &mut Vec<u8>, counted: &[u8]) {
    put_number(bytes, u64::try_from(counted.len()).unwrap_or(u64::MAX));
    bytes.extend_from_slice(counted);
}

/// Appends a time as its distance from another one.
fn put_time_from(bytes: &mut Vec<u8>, from: Timestamp, time: Timestamp) {
    put_signed(bytes, time.millis().wrapping_sub(from.millis()));
}

#[cfg(test)]
mod tests;
