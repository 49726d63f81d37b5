//! The limits of the catalog.

use std::fmt;

/// The most that a catalog holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Services, in all namespaces.
    pub services: usize,
    /// Services that are charged to one peer.
    pub services_per_peer: usize,
    /// Instances of one service, of both kinds.
    pub instances_per_service: usize,
    /// Instances that one connection may hold.
    pub instances_per_connection: usize,
    /// Bytes that all services and instances may take, as estimated by the catalog.
    pub bytes: usize,
    /// Bytes of services, their settings and overrides, and instances that are charged to one peer.
    pub bytes_per_peer: usize,
    /// Bytes of the keys and values of one instance's or service's metadata.
    pub metadata_bytes: usize,
    /// Subscriptions of all subscribers.
    pub subscriptions: usize,
    /// Namespaces that operators create.
    pub namespaces: usize,
    /// Connections of clients.
    pub connections: usize,
}

/// The resource of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// [`Limits::services`].
    Services,
    /// [`Limits::services_per_peer`].
    ServicesPerPeer,
    /// [`Limits::instances_per_service`].
    InstancesPerService,
    /// [`Limits::instances_per_connection`].
    InstancesPerConnection,
    /// [`Limits::bytes`].
    Bytes,
    /// [`Limits::bytes_per_peer`].
    BytesPerPeer,
    /// [`Limits::metadata_bytes`].
    MetadataBytes,
    /// [`Limits::subscriptions`].
    Subscriptions,
    /// [`Limits::namespaces`].
    Namespaces,
    /// [`Limits::connections`].
    Connections,
}

/// A limit that would be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// The resource that is used up.
    pub resource: Resource,
    /// The limit, in the unit of the resource.
    pub limit: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            services: 200_000,
            services_per_peer: 100_000,
            instances_per_service: 20_000,
            instances_per_connection: 20_000,
            bytes: 512 * 1024 * 1024,
            bytes_per_peer: 256 * 1024 * 1024,
            metadata_bytes: 8 * 1024,
            subscriptions: 500_000,
            namespaces: 1_000,
            connections: 100_000,
        }
    }
}

impl Resource {
    /// The configuration key of the limit, in the module `nacos`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Services => "max_services",
            Self::ServicesPerPeer => "max_services_per_peer",
            Self::InstancesPerService => "max_instances_per_service",
            Self::InstancesPerConnection => "max_instances_per_connection",
            Self::Bytes => "memory",
            Self::BytesPerPeer => "memory_per_peer",
            Self::MetadataBytes => "max_metadata",
            Self::Subscriptions => "max_subscriptions",
            Self::Namespaces => "max_namespaces",
            Self::Connections => "max_connections",
        }
    }
}

impl Full {
    pub(super) fn check(resource: Resource, wanted: usize, limit: usize) -> Result<(), Self> {
        if wanted <= limit {
            Ok(())
        } else {
            Err(Self { resource, limit })
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.resource {
            Resource::Services => "the catalog has its maximum number of services",
            Resource::ServicesPerPeer => {
                "this address has registered its maximum number of services"
            }
            Resource::InstancesPerService => "the service has its maximum number of instances",
            Resource::InstancesPerConnection => {
                "the connection has its maximum number of instances"
            }
            Resource::Bytes => "the catalog has its maximum size in bytes",
            Resource::BytesPerPeer => {
                "the services and instances of this address have their maximum size in bytes"
            }
            Resource::MetadataBytes => "the metadata is too large",
            Resource::Subscriptions => "the catalog has its maximum number of subscriptions",
            Resource::Namespaces => "the catalog has its maximum number of namespaces",
            Resource::Connections => "the catalog has its maximum number of connections",
        };
        write!(
            f,
            "{what} (nacos.default.{} = {})",
            self.resource.key(),
            self.limit
        )
    }
}

impl std::error::Error for Full {}
