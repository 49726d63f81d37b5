//! Randomness for jitter, for the order of servers and for the instance UUID.
//!
//! The source is the standard library's `RandomState`: SipHash under a 128-bit key from the operating system. Each thread draws one
//! key and increments it for every number. A forked child continues from the same key, so the process id is mixed in to separate a
//! child's numbers from those of its parent and its siblings. This source is sufficient for unique names and for jitter, cannot
//! fail, and needs no dependency. It is not meant for secrets.

use std::{
    hash::{BuildHasher, RandomState},
    process,
};

use crate::clock;

/// A random number.
pub(crate) fn number() -> u64 {
    // The time distinguishes a child from an earlier child with the same process id.
    RandomState::new().hash_one((process::id(), clock::wall()))
}

/// A random index below `length`; 0 if `length` is 0.
pub(crate) fn below(length: usize) -> usize {
    let length = u64::try_from(length).unwrap_or(u64::MAX).max(1);
    usize::try_from(number() % length).unwrap_or(0)
}

/// Returns the same elements in random order.
pub(crate) fn shuffled<T>(mut rest: Vec<T>) -> Vec<T> {
    let mut shuffled = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        shuffled.push(rest.swap_remove(below(rest.len())));
    }
    shuffled
}

/// 32 lower-case hexadecimal digits, as upstream's agents name their process: a random UUID without dashes.
pub(crate) fn instance_uuid() -> String {
    format!("{:016x}{:016x}", number(), number())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn instance_uuids_are_32_hexadecimal_digits_and_differ() {
        let uuids: HashSet<_> = (0..1000).map(|_| instance_uuid()).collect();
        assert_eq!(uuids.len(), 1000);
        assert!(
            uuids
                .iter()
                .all(|uuid| uuid.len() == 32 && uuid.bytes().all(|b| b.is_ascii_hexdigit()))
        );
    }

    #[test]
    fn below_stays_below() {
        assert!((0..1000).all(|_| below(3) < 3));
        assert_eq!(below(0), 0);
    }
}
