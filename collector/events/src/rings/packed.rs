//! An instance as the calls about one event need it: packed and hashed once.

use std::{
    hash::{BuildHasher as _, RandomState},
    marker::PhantomData,
};

use crate::pack::Subject;

/// The usual number of bytes of a packed instance or event, with room to spare.
pub(super) const USUAL: usize = 96;

/// A packed instance, for the timelines that packed it.
#[derive(Debug)]
pub(in super::super) struct Packed<S> {
    pub(super) bytes: Vec<u8>,
    pub(super) hash: u32,
    subject: PhantomData<S>,
}

impl<S: Subject> Packed<S> {
    pub(super) fn new(subject: &S, hashing: &RandomState) -> Self {
        let mut bytes = Vec::with_capacity(USUAL);
        subject.pack(&mut bytes);
        let hash = hash(&bytes, hashing);
        Self {
            bytes,
            hash,
            subject: PhantomData,
        }
    }
}

/// The hash of a packed instance.
pub(super) fn hash(packed: &[u8], hashing: &RandomState) -> u32 {
    let [a, b, c, d, ..] = hashing.hash_one(packed).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
