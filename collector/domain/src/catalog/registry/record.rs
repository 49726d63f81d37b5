//! The compact records of instances and services.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::super::{
    ConnectionId, Endpoint, Instance, InstanceRef, Kind, Metadata, Override, Publisher,
    Registration, ServiceKey, Settings,
};
use crate::Moment;

/// Bytes charged for an instance beyond its texts: its record, its entries in the indexes, and its lease.
const INSTANCE_BYTES: usize = 256;
/// Bytes charged for a service beyond its texts.
const SERVICE_BYTES: usize = 384;

#[derive(Debug)]
pub(super) struct Service {
    pub(super) key: ServiceKey,
    pub(super) revision: u64,
    /// Slots of its instances, ordered by endpoint and kind.
    pub(super) members: Vec<u32>,
    /// The number of its healthy instances.
    pub(super) healthy: usize,
    /// `None` without settings.
    pub(super) settings: Option<Box<Settings>>,
    pub(super) is_explicit: bool,
    pub(super) overrides: BTreeMap<Endpoint, Arc<Override>>,
    /// The revision and the time of the last answer.
    pub(super) stamp: Mutex<(u64, i64)>,
    /// When it lost its last instance.
    pub(super) empty_since: Moment,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) service: u32,
    pub(super) kind: Kind,
    pub(super) enabled: bool,
    pub(super) healthy: bool,
    pub(super) weight: f64,
    pub(super) endpoint: Endpoint,
    pub(super) metadata: Arc<Metadata>,
    pub(super) owner: Owner,
    /// Fields that not all instances have; shared by instances with equal ones.
    pub(super) extra: Option<Arc<Extra>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Extra {
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) app: Option<Arc<str>>,
}

/// A publisher without its address, which is the instance's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Connection(ConnectionId),
    Address,
    Operator,
    Restored,
}

impl Service {
    pub(super) fn new(key: ServiceKey, now: Moment) -> Self {
        Self {
            key,
            revision: 0,
            members: Vec::new(),
            healthy: 0,
            settings: None,
            is_explicit: false,
            overrides: BTreeMap::new(),
            stamp: Mutex::new((0, 0)),
            empty_since: now,
        }
    }

    pub(super) fn cost(&self) -> usize {
        SERVICE_BYTES + 2 * self.key.len()
    }

    pub(super) fn overridden(&self, endpoint: &Endpoint) -> Option<&Arc<Override>> {
        self.overrides.get(endpoint)
    }
}

impl Owner {
    pub(super) fn of(publisher: &Publisher) -> Self {
        match publisher {
            Publisher::Connection(id) => Self::Connection(*id),
            Publisher::Address { .. } => Self::Address,
            Publisher::Operator => Self::Operator,
            Publisher::Restored => Self::Restored,
        }
    }
}

impl Record {
    pub(super) fn new(service: u32, owner: Owner, registration: Registration) -> Self {
        let extra = Extra {
            instance_id: registration.instance_id,
            app: registration.app,
        };
        Self {
            service,
            kind: registration.kind,
            enabled: registration.enabled,
            healthy: registration.healthy,
            weight: registration.weight,
            endpoint: registration.endpoint,
            metadata: registration.metadata,
            owner,
            extra: extra.shared(),
        }
    }

    pub(super) fn publisher(&self) -> Publisher {
        match self.owner {
            Owner::Connection(id) => Publisher::Connection(id),
            Owner::Address => self.endpoint.publisher(),
            Owner::Operator => Publisher::Operator,
            Owner::Restored => Publisher::Restored,
        }
    }

    /// Whether it has a lease.
    pub(super) fn is_leased(&self) -> bool {
        let by_lease = matches!(
            self.owner,
            Owner::Address | Owner::Restored | Owner::Operator
        );
        self.kind.is_ephemeral() && by_lease
    }

    pub(super) fn cost(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| {
            let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
            64 + text(&extra.instance_id) + text(&extra.app)
        });
        INSTANCE_BYTES
            + self.endpoint.ip.len()
            + self.metadata.bytes()
            + 32 * self.metadata.len()
            + extra
    }

    pub(super) fn instance(&self, reference: InstanceRef, service: &Service) -> Instance {
        let extra = self.extra.as_deref();
        Instance {
            reference,
            registered: Registration {
                endpoint: self.endpoint.clone(),
                kind: self.kind,
                weight: self.weight,
                enabled: self.enabled,
                healthy: self.healthy,
                metadata: Arc::clone(&self.metadata),
                instance_id: extra.and_then(|extra| extra.instance_id.clone()),
                app: extra.and_then(|extra| extra.app.clone()),
            },
            publisher: self.publisher(),
            overridden: service.overridden(&self.endpoint).cloned(),
        }
    }
}

impl Extra {
    pub(super) fn shared(self) -> Option<Arc<Self>> {
        (self.instance_id.is_some() || self.app.is_some()).then(|| Arc::new(self))
    }
}
