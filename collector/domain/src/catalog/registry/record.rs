//! The compact records of instances and services.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    super::{
        ConnectionId, Endpoint, Instance, InstanceRef, Kind, Metadata, Override, Publisher,
        Registration, ServiceKey, Settings, cost,
    },
    shares::{Held, Payer},
};
use crate::Moment;

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
    pub(super) payer: Payer,
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
    pub(super) payer: Payer,
    /// Fields that not all instances have; shared by instances with equal ones.
    pub(super) extra: Option<Arc<Extra>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Extra {
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) app: Option<Arc<str>>,
    /// The owner of an instance of [`Owner::Member`].
    pub(super) member: Option<Arc<str>>,
}

/// A publisher without its address, which is the instance's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Connection(ConnectionId),
    Address,
    Operator,
    Restored,
    /// [`Extra::member`].
    Member,
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
            payer: Payer::default(),
        }
    }

    /// The cost of a service with this key, without settings and overrides.
    pub(super) fn base_cost(key: &ServiceKey) -> usize {
        cost::service(key)
    }

    pub(super) fn cost(&self) -> usize {
        let overrides = self.overrides.iter();
        let overrides = overrides.map(|(endpoint, set)| cost::overridden(endpoint, set));
        Self::base_cost(&self.key) + self.settings_cost() + overrides.sum::<usize>()
    }

    /// The service, and the bytes, that are charged to its peer.
    pub(super) fn share(&self) -> Held {
        Held {
            services: 1,
            bytes: self.cost(),
        }
    }

    pub(super) fn settings_cost(&self) -> usize {
        self.settings.as_deref().map_or(0, cost::settings)
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
            Publisher::Member(_) => Self::Member,
        }
    }
}

impl Record {
    pub(super) fn new(service: u32, publisher: &Publisher, registration: Registration) -> Self {
        let extra = Extra {
            instance_id: registration.instance_id,
            app: registration.app,
            member: member_of(publisher),
        };
        Self {
            service,
            kind: registration.kind,
            enabled: registration.enabled,
            healthy: registration.healthy,
            weight: registration.weight,
            endpoint: registration.endpoint,
            metadata: registration.metadata,
            owner: Owner::of(publisher),
            payer: Payer::default(),
            extra: extra.shared(),
        }
    }

    pub(super) fn publisher(&self) -> Publisher {
        match self.owner {
            Owner::Connection(id) => Publisher::Connection(id),
            Owner::Address => self.endpoint.publisher(),
            Owner::Operator => Publisher::Operator,
            Owner::Restored => Publisher::Restored,
            Owner::Member => Publisher::Member(self.member().unwrap_or_default()),
        }
    }

    /// The member that has the instance, if another one has it.
    pub(super) fn member(&self) -> Option<Arc<str>> {
        self.extra.as_ref()?.member.clone()
    }

    pub(super) fn is_owned_by(&self, publisher: &Publisher) -> bool {
        self.owner == Owner::of(publisher)
            && (self.owner != Owner::Member || self.member() == member_of(publisher))
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
        let extra = self.extra.as_deref();
        let id = extra.and_then(|extra| extra.instance_id.as_deref());
        let app = extra.and_then(|extra| extra.app.as_deref());
        cost::instance(&self.endpoint, &self.metadata, id, app)
    }

    /// Adds the values that a registration does not change: the health that a probe of a persistent instance found, and the id if
    /// the client names none.
    pub(super) fn complete(&self, registration: &mut Registration) {
        if !self.kind.is_ephemeral() {
            registration.healthy = self.healthy;
        }
        if let Some(extra) = &self.extra {
            let id = &mut registration.instance_id;
            *id = id.take().or_else(|| extra.instance_id.clone());
        }
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
        let is_needed = self.instance_id.is_some() || self.app.is_some() || self.member.is_some();
        is_needed.then(|| Arc::new(self))
    }
}

pub(super) fn member_of(publisher: &Publisher) -> Option<Arc<str>> {
    match publisher {
        Publisher::Member(member) => Some(Arc::clone(member)),
        _ => None,
    }
}
