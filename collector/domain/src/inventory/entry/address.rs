//! Addresses as entries of a dictionary.

use std::sync::Arc;

use super::{
    super::{Address, cost, digest, sequence::Sequence},
    Dictionary, Entry,
};
use crate::AddressId;

impl Entry for Address {
    type Id = AddressId;
    type Key = Arc<str>;
    type KeyRef<'a> = &'a str;
    type Kept = Self;

    const DICTIONARY: Dictionary = Dictionary::Addresses;
    const SEQUENCE: Sequence = Sequence::ZERO_CENTRED;
    const RESERVED: Option<i32> = None;

    fn id(&self) -> AddressId {
        self.id
    }

    fn digest(&self) -> u64 {
        digest::address(self)
    }

    fn cost(&self) -> usize {
        cost::address(self.address.as_deref())
    }

    fn key(&self) -> Option<Arc<str>> {
        self.address.clone()
    }

    fn key_ref(&self) -> Option<&str> {
        self.address.as_deref()
    }

    fn borrow(key: &Arc<str>) -> &str {
        key
    }

    fn keep(&self) -> Self {
        self.clone()
    }

    fn of(_id: AddressId, kept: &Self) -> Self {
        kept.clone()
    }

    fn key_of(_id: AddressId, kept: &Self) -> Option<&str> {
        kept.key_ref()
    }

    fn has_key(_id: AddressId, kept: &Self, key: &str) -> bool {
        kept.address.as_deref() == Some(key)
    }

    fn may_become(&self, later: &Self) -> bool {
        self.address == later.address
    }

    fn number(id: AddressId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<AddressId> {
        AddressId::new(number)
    }
}
