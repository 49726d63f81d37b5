//! Converts errors of the catalog to the faults of this face.

use rollcall_catalog::{Conflict, Error, Invalid, NotFound};
use rollcall_domain::catalog::{Refused, ServiceKey};

use super::{At, Fault};

impl Fault {
    /// The refusal of a call about a service.
    pub(in crate::http) fn of(error: Error, at: At, key: &ServiceKey) -> Self {
        match error {
            Error::NotFound(NotFound::Service) => Self::NoService {
                at,
                key: key.clone(),
            },
            Error::NotFound(NotFound::Instance) => match at {
                At::Detail => Self::NoMatch,
                _ => Self::NoInstance,
            },
            Error::NotFound(NotFound::Namespace) => Self::NoNamespace(key.namespace().to_owned()),
            Error::Conflict(Conflict::ServiceExists) => Self::Exists(key.clone()),
            Error::Conflict(Conflict::ServiceNotEmpty) => Self::NotEmpty(key.clone()),
            Error::Conflict(conflict) => Self::Conflict(conflict.to_string()),
            error => error.into(),
        }
    }
}

/// The refusal of a call that concerns more than one service.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(Invalid::Name(name)) => Self::Name(name),
            Error::Invalid(Invalid::Registration(Refused::Weight(_))) => Self::Weight,
            Error::Invalid(Invalid::Registration(Refused::BeatInterval)) => Self::BeatInterval,
            Error::Invalid(Invalid::Registration(Refused::Full(full))) | Error::Full(full) => {
                Self::Full(full)
            }
            Error::Invalid(Invalid::Selector(_)) => Self::Selector,
            Error::Loading => Self::Loading,
            Error::Busy { .. } | Error::Stopped => Self::Unavailable(error.to_string()),
            Error::Invalid(_) | Error::NotFound(_) | Error::Conflict(_) => {
                Self::Conflict(error.to_string())
            }
            Error::Store(_) => Self::Store(error.to_string()),
        }
    }
}
