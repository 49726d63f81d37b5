//! The interface that the entries of the four dictionaries share.

mod address;
mod application;
mod instance;
mod operation;

use std::{fmt, hash::Hash};

use super::{Address, Application, Instance, Operation, Row, cost, sequence::Sequence};
use crate::id::LAST_INTERNAL;

/// One of the four dictionaries, as named in errors and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dictionary {
    /// Applications by code.
    Applications,
    /// Instances by application and UUID.
    Instances,
    /// Operations by application, span type and name.
    Operations,
    /// Network addresses.
    Addresses,
}

impl Dictionary {
    /// All dictionaries.
    pub const ALL: [Self; 4] = [
        Self::Applications,
        Self::Instances,
        Self::Operations,
        Self::Addresses,
    ];
}

impl fmt::Display for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applications => "applications",
            Self::Instances => "instances",
            Self::Operations => "operations",
            Self::Addresses => "addresses",
        })
    }
}

/// An entry of a dictionary.
pub(super) trait Entry: Clone + Into<Row> {
    type Id: Copy + Eq + Hash + Ord;
    type Key: Clone + Eq + Hash;
    /// A borrowed key.
    type KeyRef<'a>: Copy + Hash;
    /// The entry in the memory of a table, which knows its id.
    type Kept: Clone;

    const DICTIONARY: Dictionary;
    /// The order in which ids are assigned.
    const SEQUENCE: Sequence;
    /// The reserved id, which no agent receives. Its row is written together with the first entry.
    const RESERVED: Option<i32>;
    /// The bytes of memory that a block of entries takes.
    const BLOCK: usize = cost::block::<Self::Kept>();

    fn id(&self) -> Self::Id;
    /// The value that it adds to the digest of an inventory.
    fn digest(&self) -> u64;
    /// The bytes of memory that it takes besides its place in a block.
    fn cost(&self) -> usize;
    /// The key to look it up by; `None` for reserved and adopted entries.
    fn key(&self) -> Option<Self::Key>;
    fn key_ref(&self) -> Option<Self::KeyRef<'_>>;
    fn borrow(key: &Self::Key) -> Self::KeyRef<'_>;

    fn keep(&self) -> Self::Kept;
    /// The entry that [`Entry::keep`] was called on.
    fn of(id: Self::Id, kept: &Self::Kept) -> Self;
    /// The key of a kept entry.
    fn key_of(id: Self::Id, kept: &Self::Kept) -> Option<Self::KeyRef<'_>>;
    fn has_key(id: Self::Id, kept: &Self::Kept, key: Self::KeyRef<'_>) -> bool;

    /// Whether an agent brought the id. The sequence has not assigned such an id.
    fn is_adopted(&self) -> bool {
        self.key_ref().is_none() && Self::RESERVED != Some(Self::number(self.id()))
    }
    /// Whether `later`, under the same id, can be a newer state of the same entry.
    fn may_become(&self, later: &Self) -> bool;

    /// Whether the agent of this entry receives no ids although the id is not internal.
    fn is_unannounced(&self) -> bool {
        false
    }

    fn number(id: Self::Id) -> i32;
    fn numbered(number: i32) -> Option<Self::Id>;
}

/// Whether this number is internal, in any dictionary: agents never receive it.
pub(super) const fn is_internal(number: i32) -> bool {
    number <= LAST_INTERNAL
}

macro_rules! row {
    ($($entry:ident),*) => {$(
        impl From<$entry> for Row {
            fn from(entry: $entry) -> Self {
                Self::$entry(entry)
            }
        }
    )*};
}

row!(Application, Instance, Operation, Address);
