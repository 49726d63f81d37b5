//! Operations as entries of a dictionary.

use super::{
    super::{Operation, OperationKey, cost, digest, model::OperationKeyRef, sequence::Sequence},
    Dictionary, Entry,
};
use crate::OperationId;

impl Entry for Operation {
    type Id = OperationId;
    type Key = OperationKey;
    type KeyRef<'a> = OperationKeyRef<'a>;
    type Kept = Self;

    const DICTIONARY: Dictionary = Dictionary::Operations;
    const SEQUENCE: Sequence = Sequence::ZERO_CENTRED;
    const RESERVED: Option<i32> = Some(1);

    fn id(&self) -> OperationId {
        self.id
    }

    fn digest(&self) -> u64 {
        digest::operation(self)
    }

    fn cost(&self) -> usize {
        cost::operation(self.key.as_ref().map(|key| &*key.name))
    }

    fn key(&self) -> Option<OperationKey> {
        self.key.clone()
    }

    fn key_ref(&self) -> Option<OperationKeyRef<'_>> {
        self.key.as_ref().map(Self::borrow)
    }

    fn borrow(key: &OperationKey) -> OperationKeyRef<'_> {
        OperationKeyRef {
            application: key.application,
            span_type: key.span_type,
            name: &key.name,
        }
    }

    fn keep(&self) -> Self {
        self.clone()
    }

    fn of(_id: OperationId, kept: &Self) -> Self {
        kept.clone()
    }

    fn key_of(_id: OperationId, kept: &Self) -> Option<OperationKeyRef<'_>> {
        kept.key_ref()
    }

    fn has_key(_id: OperationId, kept: &Self, key: OperationKeyRef<'_>) -> bool {
        kept.key_ref() == Some(key)
    }

    fn may_become(&self, later: &Self) -> bool {
        self.key == later.key
    }

    fn number(id: OperationId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<OperationId> {
        OperationId::new(number)
    }
}
