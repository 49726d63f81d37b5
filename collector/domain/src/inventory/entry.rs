//! The interface that the entries of the four dictionaries share.

use std::{fmt, hash::Hash, sync::Arc};

use super::{
    Address, Application, Instance, InstanceKey, Operation, OperationKey, Row, cost, digest,
    sequence::Sequence,
};
use crate::{AddressId, ApplicationId, InstanceId, OperationId, id::LAST_INTERNAL};

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

    const DICTIONARY: Dictionary;
    /// The order in which ids are assigned.
    const SEQUENCE: Sequence;
    /// The reserved id, which no agent receives. Its row is written together with the first entry.
    const RESERVED: Option<i32>;

    fn id(&self) -> Self::Id;
    /// Its summand in the digest of an inventory.
    fn digest(&self) -> u64;
    /// The bytes of memory that it takes.
    fn cost(&self) -> usize;
    /// The key to look it up by; `None` for reserved and adopted entries.
    fn key(&self) -> Option<Self::Key>;
    /// Whether an agent brought the id, so that the sequence had not assigned it.
    fn is_adopted(&self) -> bool {
        self.key().is_none() && Self::RESERVED != Some(Self::number(self.id()))
    }
    /// Whether `later`, under the same id, can be a newer state of the same entry.
    fn may_become(&self, later: &Self) -> bool {
        self.key() == later.key()
    }

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

impl Entry for Application {
    type Id = ApplicationId;
    type Key = Arc<str>;

    const DICTIONARY: Dictionary = Dictionary::Applications;
    const SEQUENCE: Sequence = Sequence::ZERO_CENTRED;
    const RESERVED: Option<i32> = Some(1);

    fn id(&self) -> ApplicationId {
        self.id
    }

    fn digest(&self) -> u64 {
        digest::application(self)
    }

    fn cost(&self) -> usize {
        cost::application(self.code.as_deref())
    }

    fn key(&self) -> Option<Arc<str>> {
        self.code.clone()
    }

    fn is_adopted(&self) -> bool {
        self.code.is_none() && self.alias_of.is_none() && !self.is_reserved()
    }

    fn may_become(&self, later: &Self) -> bool {
        self.code == later.code && self.alias_of == later.alias_of
    }

    fn number(id: ApplicationId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<ApplicationId> {
        ApplicationId::new(number)
    }
}

impl Entry for Instance {
    type Id = InstanceId;
    type Key = InstanceKey;

    const DICTIONARY: Dictionary = Dictionary::Instances;
    const SEQUENCE: Sequence = Sequence::COUNTING;
    const RESERVED: Option<i32> = None;

    fn id(&self) -> InstanceId {
        self.id
    }

    fn digest(&self) -> u64 {
        digest::instance(self)
    }

    fn cost(&self) -> usize {
        let is_keyed = self.application.is_some() && self.uuid.is_some();
        cost::instance(is_keyed, self.uuid.as_deref(), &self.properties)
    }

    fn key(&self) -> Option<InstanceKey> {
        Some(InstanceKey {
            application: self.application?,
            uuid: self.uuid.clone()?,
            is_internal: self.id.is_internal(),
        })
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
        !self.id.is_internal() && self.generation.is_some_and(|known| !known.has_ids())
    }

    fn number(id: InstanceId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<InstanceId> {
        InstanceId::new(number)
    }
}

impl Entry for Operation {
    type Id = OperationId;
    type Key = OperationKey;

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

    fn number(id: OperationId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<OperationId> {
        OperationId::new(number)
    }
}

impl Entry for Address {
    type Id = AddressId;
    type Key = Arc<str>;

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

    fn number(id: AddressId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<AddressId> {
        AddressId::new(number)
    }
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
