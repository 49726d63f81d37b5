//! The entries of the inventory: one type per dictionary, and [`Row`], the unit of durability.

use std::sync::Arc;

use super::{Properties, cost, entry::Entry as _, properties::PropertiesView};
use crate::{AddressId, ApplicationId, InstanceId, OperationId, Timestamp};

/// A named program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The id.
    pub id: ApplicationId,
    /// The code as its agents spell it, byte for byte. `None` for an adopted application, whose code no agent has reported, and for
    /// the reserved id 1 (`User`).
    pub code: Option<Arc<str>>,
    /// When the collector first recorded it.
    pub registered_at: Timestamp,
    /// Set if this row is an alias: the id by which agents up to 7.0 know the given application. An agent of 8.0 or later
    /// registered that application first, so its own id is internal.
    pub alias_of: Option<ApplicationId>,
}

impl Application {
    /// Whether this is the reserved id 1 (`User`), which stands for no application and is not listed.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        Self::RESERVED == Some(self.id.get())
    }
}

/// One running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The id.
    pub id: InstanceId,
    /// `None` if only the instance id is known (an adopted instance that sends only heartbeats or JVM metrics).
    pub application: Option<ApplicationId>,
    /// The agent's UUID, or the instance's name (8.x); `None` for an adopted instance, whose UUID no agent has reported.
    pub uuid: Option<Arc<str>>,
    /// When the collector first recorded it.
    pub registered_at: Timestamp,
    /// The generation of its agent, if its calls show it.
    pub generation: Option<Generation>,
    /// Whether an agent brought the id: this inventory had not assigned it and recorded it as it is.
    pub adopted: bool,
    /// The agent's report about its process: operating system, host, process number, addresses, language and more.
    pub properties: Properties,
}

/// An [`Instance`] in the memory of the inventory.
#[derive(Clone, Copy, Debug)]
pub struct InstanceView<'a> {
    /// As `Instance::id`.
    pub id: InstanceId,
    /// As [`Instance::application`].
    pub application: Option<ApplicationId>,
    /// As [`Instance::uuid`].
    pub uuid: Option<&'a str>,
    /// As [`Instance::registered_at`].
    pub registered_at: Timestamp,
    /// As [`Instance::generation`].
    pub generation: Option<Generation>,
    /// As [`Instance::adopted`].
    pub adopted: bool,
    /// As [`Instance::properties`].
    pub properties: PropertiesView<'a>,
}

impl Instance {
    /// Borrows the instance.
    #[must_use]
    pub fn view(&self) -> InstanceView<'_> {
        InstanceView {
            id: self.id,
            application: self.application,
            uuid: self.uuid.as_deref(),
            registered_at: self.registered_at,
            generation: self.generation,
            adopted: self.adopted,
            properties: self.properties.view(),
        }
    }
}

impl From<InstanceView<'_>> for Instance {
    fn from(view: InstanceView<'_>) -> Self {
        Self {
            id: view.id,
            application: view.application,
            uuid: view.uuid.map(Into::into),
            registered_at: view.registered_at,
            generation: view.generation,
            adopted: view.adopted,
            properties: Properties::from(view.properties),
        }
    }
}

impl<'a> InstanceView<'a> {
    /// The key to look it up by; `None` unless its application and UUID are known.
    pub(super) fn key(&self) -> Option<InstanceKeyRef<'a>> {
        Some(InstanceKeyRef {
            application: self.application?,
            uuid: self.uuid?.as_bytes(),
            is_internal: self.id.is_internal(),
        })
    }

    /// The bytes of memory that it takes.
    pub(super) fn cost(&self) -> usize {
        cost::instance(self.key().is_some(), self.uuid, self.properties)
    }

    /// Whether its agent receives no ids although the id is not internal.
    pub(super) fn is_unannounced(&self) -> bool {
        !self.id.is_internal() && self.generation.is_some_and(|known| !known.has_ids())
    }
}

/// A name within an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The id.
    pub id: OperationId,
    /// `None` for an adopted id and for the reserved id 1 (`None`).
    pub key: Option<OperationKey>,
}

/// A remote peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The id.
    pub id: AddressId,
    /// The address as agents spell it; `None` for an adopted id.
    pub address: Option<Arc<str>>,
}

/// The key of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceKey {
    /// The application of the instance.
    pub application: ApplicationId,
    /// The UUID that the agent registered with.
    pub uuid: Arc<str>,
    /// Whether its id is internal. So a process with an agent of 8.0 or later and one with an earlier agent may have the same name
    /// and are two instances.
    pub is_internal: bool,
}

/// A borrowed [`InstanceKey`] for look-ups.
#[derive(Clone, Copy, Hash)]
pub(super) struct InstanceKeyRef<'a> {
    pub(super) application: ApplicationId,
    pub(super) uuid: &'a [u8],
    pub(super) is_internal: bool,
}

/// The key of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OperationKey {
    /// The application of the operation.
    pub application: ApplicationId,
    /// The type of the spans.
    pub span_type: SpanType,
    /// The name, as registered.
    pub name: Arc<str>,
}

/// A borrowed [`OperationKey`] for look-ups.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OperationKeyRef<'a> {
    pub(super) application: ApplicationId,
    pub(super) span_type: SpanType,
    pub(super) name: &'a str,
}

/// The side of a call that an operation names. 3.2.6 agents do not report it; their operations are `Entry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanType {
    /// A request that the application receives.
    Entry,
    /// A request that the application sends.
    Exit,
    /// Work within the application.
    Local,
    /// A side of a later release, by its number. Only [`SpanType::from_number`] makes it.
    Other(u8),
}

impl SpanType {
    /// The number for storage and digests; it is the same in every release.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Entry => 0,
            Self::Exit => 1,
            Self::Local => 2,
            Self::Other(number) => number,
        }
    }

    /// The span type with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Entry,
            1 => Self::Exit,
            2 => Self::Local,
            _ => Self::Other(number),
        }
    }
}

/// A generation of agents, recognised by their calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// 3.x agents up to 3.2.6.
    V3,
    /// 5.x and 6.0.0-alpha agents.
    V5,
    /// 6.0.0-beta to 7.0.0 agents.
    V6,
    /// Agents of 8.0 and later, which use no ids.
    V8,
    /// A generation of a later release, by its number. Only [`Generation::from_number`] makes it.
    Other(u8),
}

impl Generation {
    /// Whether its agents receive ids and use them in calls: those up to 7.0.
    #[must_use]
    pub const fn has_ids(self) -> bool {
        self.number() < Self::V8.number()
    }

    /// The number for storage and digests; it is the same in every release.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V5 => 5,
            Self::V6 => 6,
            Self::V8 => 8,
            Self::Other(number) => number,
        }
    }

    /// The generation with this number; `None` for 0, an unknown generation.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => return None,
            3 => Self::V3,
            5 => Self::V5,
            6 => Self::V6,
            8 => Self::V8,
            _ => Self::Other(number),
        })
    }
}

/// One complete row of one dictionary, as a storage writes and returns it. A later row with the same id replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// An application.
    Application(Application),
    /// An instance.
    Instance(Instance),
    /// An operation.
    Operation(Operation),
    /// A network address.
    Address(Address),
}

impl Row {
    /// The bytes of memory that it takes in an inventory.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Application(row) => row.cost(),
            Self::Instance(row) => row.cost(),
            Self::Operation(row) => row.cost(),
            Self::Address(row) => row.cost(),
        }
    }
}
