//! Instances as entries of a dictionary.

use super::{
    super::{
        Instance, InstanceKey, cost, digest, model::InstanceKeyRef, packed::PackedInstance,
        sequence::Sequence,
    },
    Dictionary, Entry,
};
use crate::InstanceId;

impl Entry for Instance {
    type Id = InstanceId;
    type Key = InstanceKey;
    type KeyRef<'a> = InstanceKeyRef<'a>;
    type Kept = PackedInstance;

    const DICTIONARY: Dictionary = Dictionary::Instances;
    const SEQUENCE: Sequence = Sequence::COUNTING;
    const RESERVED: Option<i32> = None;
    const BLOCK: usize = cost::block_of_instances();

    fn id(&self) -> InstanceId {
        self.id
    }

    fn digest(&self) -> u64 {
        digest::instance(&self.view())
    }

    fn cost(&self) -> usize {
        self.view().cost()
    }

    fn key(&self) -> Option<InstanceKey> {
        Some(InstanceKey {
            application: self.application?,
            uuid: self.uuid.clone()?,
            is_internal: self.id.is_internal(),
        })
    }

    fn key_ref(&self) -> Option<InstanceKeyRef<'_>> {
        self.view().key()
    }

    fn borrow(key: &InstanceKey) -> InstanceKeyRef<'_> {
        InstanceKeyRef {
            application: key.application,
            uuid: key.uuid.as_bytes(),
            is_internal: key.is_internal,
        }
    }

    fn keep(&self) -> PackedInstance {
        PackedInstance::pack(&self.view())
    }

    fn of(id: InstanceId, kept: &PackedInstance) -> Self {
        kept.unpack(id)
    }

    fn key_of(id: InstanceId, kept: &PackedInstance) -> Option<InstanceKeyRef<'_>> {
        Some(InstanceKeyRef {
            application: kept.application?,
            uuid: kept.uuid()?,
            is_internal: id.is_internal(),
        })
    }

    fn has_key(id: InstanceId, kept: &PackedInstance, key: InstanceKeyRef<'_>) -> bool {
        kept.application == Some(key.application)
            && id.is_internal() == key.is_internal
            && kept.uuid() == Some(key.uuid)
    }

    fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// The application of an adopted instance may become known; nothing else of its identity changes.
    fn may_become(&self, later: &Self) -> bool {
        self.uuid == later.uuid
            && self.adopted == later.adopted
            && (self.application == later.application
                || (self.application.is_none() && self.uuid.is_none()))
    }

    fn is_unannounced(&self) -> bool {
        self.view().is_unannounced()
    }

    fn number(id: InstanceId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<InstanceId> {
        InstanceId::new(number)
    }
}
