//! The instances of all services.

mod apply;
mod change;
mod keep;
mod members;
mod published;
mod read;
mod record;
mod services;
mod shares;
mod sweep;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use super::{
    Effects, Endpoint, Event, EventKind, Full, InstanceRef, Kind, Limits, Metadata, Publisher,
    ServiceCounts, ServiceKey, claims::Claims, intern::Interner, slab::Slab,
    tombstones::Tombstones,
};
use crate::Moment;

use published::InstanceSet;
pub use read::BeatTarget;
use record::{Extra, Owner, Record, Service};
pub use services::NotRemoved;
use shares::Shares;
pub use shares::{Held, Registrant};
pub use sweep::Swept;

/// Services and their instances. Every change adds to the [`Effects`] argument, which the caller publishes.
///
/// It has no lock of its own: the use cases keep it behind one. The time of each operation is bounded by the number of instances of
/// one service or of one publisher.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
    /// How long an override survives the instance that it is set on.
    override_term: Duration,
    ids: HashMap<ServiceKey, u32>,
    order: BTreeMap<ServiceKey, u32>,
    services: Slab<Service>,
    records: Slab<Record>,
    published: HashMap<Publisher, InstanceSet>,
    tombstones: Tombstones,
    shares: Shares,
    claims: Claims,
    texts: Interner<str>,
    metadata: Interner<Metadata>,
    extras: Interner<Extra>,
    /// The empty services, each once, by the time at which they became empty. A sweep checks those that are due.
    empty: BTreeSet<(Moment, u32)>,
    /// The service and the endpoint of each override without an instance, each once, by the time at which the override ends. A
    /// sweep checks those that are due.
    orphans: BTreeSet<(Moment, u32, Endpoint)>,
    /// Whether overrides without an instance stay, because the instance may exist at another member.
    keeps_overrides: bool,
    revision: u64,
    counts: Counts,
}

/// The numbers of items in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Services, including those without instances.
    pub services: usize,
    /// Ephemeral instances.
    pub ephemeral: usize,
    /// Persistent instances.
    pub persistent: usize,
    /// Healthy instances of both kinds.
    pub healthy: usize,
    /// Ephemeral instances of other members; `ephemeral` counts them too.
    pub of_members: usize,
    /// Publishers that hold an instance, without the other members.
    pub publishers: usize,
    /// Overrides, including those without an instance.
    pub overrides: usize,
    /// Deregistered endpoints that a beat does not bring back.
    pub tombstones: usize,
    /// Bytes charged for services, their settings, overrides, instances and claims, as if they shared no values.
    pub bytes: usize,
}

/// The result of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The registered instance.
    pub instance: InstanceRef,
    /// The revision of the service afterwards.
    pub revision: u64,
    /// Whether the instance is new.
    pub is_new: bool,
}

/// The reason for a refused change. Nothing was changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// A limit would be exceeded.
    Full(Full),
    /// The weight is negative or not a number.
    Weight(f64),
    /// The beat interval in the metadata is longer than the time until the instance is unhealthy, or the time until it is removed.
    BeatInterval,
    /// A persistent instance cannot be bound to a connection.
    PersistentOnConnection,
}

/// The item that was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The service is not known.
    Service,
    /// The service has no instance at the endpoint.
    Instance,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(limits: Limits, override_term: Duration) -> Self {
        Self {
            limits,
            override_term,
            ids: HashMap::new(),
            order: BTreeMap::new(),
            services: Slab::default(),
            records: Slab::default(),
            published: HashMap::new(),
            tombstones: Tombstones::default(),
            shares: Shares::default(),
            claims: Claims::default(),
            texts: Interner::default(),
            metadata: Interner::default(),
            extras: Interner::default(),
            empty: BTreeSet::new(),
            orphans: BTreeSet::new(),
            keeps_overrides: false,
            revision: 0,
            counts: Counts::default(),
        }
    }

    /// The limits of this registry.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// All services in order, each with its counts. Starts behind the key `after` if it is given.
    pub fn counted<'a>(
        &'a self,
        after: Option<&ServiceKey>,
    ) -> impl Iterator<Item = (&'a ServiceKey, ServiceCounts)> + use<'a> {
        self.all_keys(after).filter_map(|key| {
            let (_, service) = self.service(key)?;
            let counts = ServiceCounts {
                instances: service.members.len(),
                healthy: service.healthy,
            };
            Some((key, counts))
        })
    }

    /// The current counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (members, of_members) = self.of_members();
        Counts {
            services: self.ids.len(),
            of_members,
            publishers: self.published.len() - members,
            tombstones: self.tombstones.len(),
            bytes: self.bytes(),
            ..self.counts
        }
    }

    fn bytes(&self) -> usize {
        self.counts.bytes + self.claims.bytes()
    }

    fn service(&self, key: &ServiceKey) -> Option<(u32, &Service)> {
        let id = *self.ids.get(key)?;
        Some((id, self.services.at(id)?))
    }

    /// The position of an instance in the list of its service, or the position to insert it.
    fn place(&self, service: &Service, endpoint: &Endpoint, kind: Kind) -> Result<usize, usize> {
        service.members.binary_search_by(|index| {
            self.records
                .at(*index)
                .map_or(std::cmp::Ordering::Less, |record| {
                    record.endpoint.cmp(endpoint).then(record.kind.cmp(&kind))
                })
        })
    }

    fn find(&self, service: &Service, endpoint: &Endpoint, kind: Kind) -> Option<u32> {
        let place = self.place(service, endpoint, kind).ok()?;
        service.members.get(place).copied()
    }

    /// Assigns a new revision to a service.
    fn touch(&mut self, service: u32, effects: &mut Effects) {
        self.revision += 1;
        let revision = self.revision;
        if let Some(service) = self.services.at_mut(service) {
            service.revision = revision;
            effects.changed.push(service.key.clone());
        }
    }

    fn report(&self, service: u32, record: &Record, what: EventKind, effects: &mut Effects) {
        if let Some(service) = self.services.at(service) {
            effects.events.push(Event {
                service: service.key.clone(),
                endpoint: record.endpoint.clone(),
                kind: record.kind,
                publisher: record.publisher(),
                what,
            });
        }
    }

    fn share(&mut self, endpoint: &Endpoint) -> Endpoint {
        Endpoint {
            ip: self.texts.intern(Arc::clone(&endpoint.ip)),
            port: endpoint.port,
            cluster: self.texts.intern(Arc::clone(&endpoint.cluster)),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => full.fmt(f),
            Self::Weight(weight) => write!(
                f,
                "weight {weight} is refused: a weight is a number that is not negative"
            ),
            Self::BeatInterval => f.write_str(
                "preserved.heart.beat.interval is longer than preserved.heart.beat.timeout or preserved.ip.delete.timeout",
            ),
            Self::PersistentOnConnection => f.write_str(
                "a persistent instance cannot be bound to a connection",
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}
