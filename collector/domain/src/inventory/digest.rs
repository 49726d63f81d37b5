//! A digest of an inventory, by which collectors that share a store compare their copies.
//!
//! It covers the parts of a row that never change, and those that change once, from unknown to known. It leaves out the generation
//! and the properties of an instance: their last report wins, whatever the order of other registrations.
//!
//! The digest is the sum of the digests of all rows, so their order does not matter and a replaced row is subtracted. It detects
//! mistakes and flipped bits; it does not resist an attacker who searches for two inventories with one digest. It must not change
//! from release to release, because collectors of two releases compare theirs during a rolling upgrade.

use super::{Address, Application, InstanceView, Operation};

/// Hashes one row, word by word.
pub(super) struct Digest(u64);

impl Digest {
    /// `dictionary` distinguishes rows of different dictionaries.
    fn of(dictionary: u64, id: i32) -> Self {
        let mut digest = Self(dictionary);
        digest.word(u64::from(id.cast_unsigned()));
        digest
    }

    fn word(&mut self, word: u64) {
        // The finalizer of splitmix64: every input bit changes about half of the output bits.
        let mut z = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = z ^ (z >> 31);
    }

    fn number(&mut self, number: Option<i32>) {
        self.word(number.map_or(u64::MAX, |number| u64::from(number.cast_unsigned())));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            self.word(
                word.iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte)),
            );
        }
        let rest = words.remainder();
        self.word(
            rest.iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        );
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.bytes(text.as_bytes()),
            None => self.word(u64::MAX),
        }
    }

    fn millis(&mut self, millis: i64) {
        self.word(millis.cast_unsigned());
    }
}

pub(super) fn application(row: &Application) -> u64 {
    let mut digest = Digest::of(1, row.id.get());
    digest.text(row.code.as_deref());
    digest.millis(row.registered_at.millis());
    if let Some(of) = row.alias_of {
        digest.number(Some(of.get()));
    }
    digest.0
}

pub(super) fn instance(row: &InstanceView<'_>) -> u64 {
    let mut digest = Digest::of(2, row.id.get());
    digest.number(row.application.map(crate::ApplicationId::get));
    digest.text(row.uuid);
    digest.millis(row.registered_at.millis());
    digest.word(u64::from(row.adopted));
    digest.0
}

pub(super) fn operation(row: &Operation) -> u64 {
    let mut digest = Digest::of(3, row.id.get());
    digest.text(row.key.as_ref().map(|key| &*key.name));
    if let Some(key) = &row.key {
        digest.number(Some(key.application.get()));
        digest.word(key.span_type.number().into());
    }
    digest.0
}

pub(super) fn address(row: &Address) -> u64 {
    let mut digest = Digest::of(4, row.id.get());
    digest.text(row.address.as_deref());
    digest.0
}

#[cfg(test)]
mod tests;
