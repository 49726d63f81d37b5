//! Hashing of ids, for maps that hold a million of them.

use std::hash::{BuildHasher, Hasher, RandomState};

use papaya::HashMap;

/// A map from ids, shared with readers.
pub(crate) type IdMap<K, V> = HashMap<K, V, IdHashing>;

/// Hashes an id by one multiplication with a secret. For four bytes the standard hasher takes longer than the look-up that follows.
///
/// The factor is secret because agents can bring ids: an agent must not be able to choose ids that share one slot.
#[derive(Clone, Debug)]
pub(crate) struct IdHashing {
    factor: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct IdHasher {
    factor: u64,
    hash: u64,
}

impl Default for IdHashing {
    fn default() -> Self {
        // Odd, so that no two ids have the same product.
        let factor = RandomState::new().hash_one(0) | 1;
        Self { factor }
    }
}

impl BuildHasher for IdHashing {
    type Hasher = IdHasher;

    #[inline]
    fn build_hasher(&self) -> IdHasher {
        IdHasher {
            factor: self.factor,
            hash: 0,
        }
    }
}

impl Hasher for IdHasher {
    #[inline]
    fn write_i32(&mut self, id: i32) {
        self.write_u32(id.cast_unsigned());
    }

    #[inline]
    fn write_u32(&mut self, id: u32) {
        self.write_u64(id.into());
    }

    #[inline]
    fn write_isize(&mut self, id: isize) {
        self.write_usize(id.cast_unsigned());
    }

    #[inline]
    fn write_usize(&mut self, id: usize) {
        self.write_u64(u64::try_from(id).unwrap_or(u64::MAX));
    }

    #[inline]
    fn write_u64(&mut self, id: u64) {
        self.hash = (self.hash ^ id).wrapping_mul(self.factor);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_i32(i32::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        // The low bits of a product do not depend on the high bits of the id; the high ones depend on all.
        self.hash ^ (self.hash >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::BuildHasher};

    use super::IdHashing;
    use crate::InstanceId;

    #[test]
    fn ids_that_agree_in_their_low_bits_are_spread() {
        let hashing = IdHashing::default();
        let places: HashSet<u64> = (1..1000)
            .filter_map(|high| InstanceId::new(high << 20))
            .map(|id| hashing.hash_one(id) % 4096)
            .collect();
        assert!(places.len() > 500, "only {} places", places.len());
    }
}
