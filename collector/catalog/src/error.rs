//! Errors of the catalog's calls, grouped by how the caller can react.

use rollcall_domain::catalog::{BadSelector, Full, InvalidName, NotRemoved, Refused};

use crate::store;

/// The reason why a call fails. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The call is not valid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// An item that the call names does not exist.
    #[error("{0}")]
    NotFound(NotFound),
    /// The call contradicts existing data.
    #[error("{0}")]
    Conflict(Conflict),
    /// A limit would be exceeded: remove something, or raise the limit, whose key the text names.
    #[error(transparent)]
    Full(#[from] Full),
    /// The catalog does not know all instances yet after its start: retry, or call another server.
    #[error(
        "the catalog is loading: the instances of the last run are not all known yet, try again later"
    )]
    Loading,
    /// The limit of changes that wait for the store is reached: retry later.
    #[error(
        "too many changes wait for the store (nacos.default.write_queue = {limit}), try again later"
    )]
    Busy {
        /// The most changes that may wait.
        limit: usize,
    },
    /// The store failed. The change was not made.
    #[error("the change could not be stored: {0}")]
    Store(#[from] store::Error),
    /// The catalog has stopped.
    #[error("the catalog has stopped")]
    Stopped,
}

/// The mistake in a call.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Invalid {
    #[error(transparent)]
    /// A name is not valid.
    Name(#[from] InvalidName),
    /// The registration is not valid.
    #[error(transparent)]
    Registration(#[from] Refused),
    #[error(transparent)]
    /// A selector cannot be read.
    Selector(#[from] BadSelector),
    /// The connection is unknown or has ended.
    #[error("the connection is unknown or has ended")]
    Connection,
}

/// The missing item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// The service.
    Service,
    /// The instance.
    Instance,
    /// The namespace.
    Namespace,
}

/// The contradiction to existing data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The service exists.
    ServiceExists,
    /// The service has instances, so it is not removed.
    ServiceNotEmpty,
    /// The namespace exists.
    NamespaceExists,
    /// The namespace has services, so it is not removed.
    NamespaceNotEmpty,
    /// A probe decides the health of the instance.
    HealthIsProbed,
    /// The connection that has the instance is at another collector.
    IsElsewhere,
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Loading | Self::Busy { .. } | Self::Store(_) | Self::Stopped
        )
    }
}

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Service => "the service does not exist",
            Self::Instance => "the instance does not exist",
            Self::Namespace => "the namespace does not exist",
        })
    }
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ServiceExists => "the service exists",
            Self::ServiceNotEmpty => "the service has instances: deregister them first",
            Self::NamespaceExists => "the namespace exists",
            Self::NamespaceNotEmpty => "the namespace has services: delete them first",
            Self::HealthIsProbed => {
                "a probe decides the health of the instance: set the cluster's checker to NONE first"
            }
            Self::IsElsewhere => {
                "the client of the instance is connected to another collector: change the instance there, or set an override"
            }
        })
    }
}

impl From<InvalidName> for Error {
    fn from(invalid: InvalidName) -> Self {
        Self::Invalid(invalid.into())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full(full) => Self::Full(full),
            other => Self::Invalid(other.into()),
        }
    }
}

impl From<rollcall_domain::catalog::Missing> for Error {
    fn from(missing: rollcall_domain::catalog::Missing) -> Self {
        use rollcall_domain::catalog::Missing;
        Self::NotFound(match missing {
            Missing::Service => NotFound::Service,
            Missing::Instance => NotFound::Instance,
        })
    }
}

impl From<NotRemoved> for Error {
    fn from(not: NotRemoved) -> Self {
        match not {
            NotRemoved::Missing => Self::NotFound(NotFound::Service),
            NotRemoved::NotEmpty => Self::Conflict(Conflict::ServiceNotEmpty),
        }
    }
}
