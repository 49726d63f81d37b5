//! The compact records of instances and services.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    super::{
        Checker, ConnectionId, Endpoint, Instance, InstanceRef, Kind, Metadata, MetadataChange,
        Override, Publisher, Registration, ServiceKey, Settings,
    },
    shares::{Held, Payer},
};
use crate::Moment;

/// Bytes charged for an instance beyond its texts: its record, its entries in the indexes, and its lease.
const INSTANCE_BYTES: usize = 256;
/// Bytes charged for a service beyond its texts.
const SERVICE_BYTES: usize = 384;
/// Bytes charged for the settings of a service, of a cluster, and for an override, beyond their texts.
const SETTINGS_BYTES: usize = 128;
const CLUSTER_BYTES: usize = 256;
const OVERRIDE_BYTES: usize = 256;

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
        SERVICE_BYTES + 2 * key.len()
    }

    pub(super) fn cost(&self) -> usize {
        let overrides = self.overrides.iter();
        let overrides = overrides.map(|(endpoint, set)| override_cost(endpoint, set));
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
        self.settings.as_deref().map_or(0, settings_cost)
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
        instance_cost(&self.endpoint, &self.metadata, id, app)
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

/// The cost of an instance with this registration.
pub(in crate::catalog) fn registration_cost(registration: &Registration) -> usize {
    let (id, app) = (&registration.instance_id, &registration.app);
    let (endpoint, metadata) = (&registration.endpoint, &registration.metadata);
    instance_cost(endpoint, metadata, id.as_deref(), app.as_deref())
}

fn instance_cost(
    endpoint: &Endpoint,
    metadata: &Metadata,
    id: Option<&str>,
    app: Option<&str>,
) -> usize {
    let extra = match (id, app) {
        (None, None) => 0,
        (id, app) => 64 + id.map_or(0, str::len) + app.map_or(0, str::len),
    };
    INSTANCE_BYTES + endpoint.ip.len() + metadata_cost(metadata) + extra
}

fn metadata_cost(metadata: &Metadata) -> usize {
    metadata.bytes() + 32 * metadata.len()
}

/// The cost of a service's settings.
pub(super) fn settings_cost(settings: &Settings) -> usize {
    let selector = settings.selector.as_ref();
    // A selector keeps its expression, and the labels in it.
    let selector = selector.map_or(0, |selector| 2 * selector.expression().len());
    let clusters = settings.clusters.values().map(|cluster| {
        let checker = match &cluster.checker {
            Checker::Tcp | Checker::None => 0,
            Checker::Http { path, headers, .. } => path.len() + headers.len(),
            Checker::Mysql {
                user,
                password,
                command,
            } => user.len() + password.len() + command.len(),
        };
        CLUSTER_BYTES + cluster.name.len() + checker + metadata_cost(&cluster.metadata)
    });
    SETTINGS_BYTES + metadata_cost(&settings.metadata) + selector + clusters.sum::<usize>()
}

/// The cost of the override at an endpoint; nothing for an empty one.
pub(super) fn override_cost(endpoint: &Endpoint, set: &Override) -> usize {
    if set.is_empty() {
        return 0;
    }
    let metadata = set.metadata.as_ref().map_or(0, |change| match change {
        MetadataChange::Merge(metadata)
        | MetadataChange::Replace(metadata)
        | MetadataChange::Remove(metadata) => metadata_cost(metadata),
    });
    OVERRIDE_BYTES + endpoint.ip.len() + metadata
}
