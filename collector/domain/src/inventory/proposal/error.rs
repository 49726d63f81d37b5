//! Why an id could not be given or taken.

use std::fmt;

#[cfg(doc)]
use crate::inventory::Limits;
use crate::{ApplicationId, InstanceId, inventory::Dictionary};

/// Why an id could not be given or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Every id of the dictionary's sequence is taken, or as many as [`Limits::assigned`] allows.
    Exhausted(Dictionary),
    /// The dictionary holds as many adopted ids as [`Limits::adopted`] allows.
    TooManyAdopted(Dictionary),
    /// The inventory would take more memory than [`Limits::bytes`] allows.
    NoRoom { limit: usize },
    /// The instance is known to belong to another application than the one it was told with.
    OtherApplication {
        instance: InstanceId,
        known: ApplicationId,
    },
    /// No collector ever told an agent such an instance id: instances count from 1.
    NotAnInstance(InstanceId),
    /// The id of the dictionary is one that no agent is told ([`ApplicationId::is_internal`]).
    Internal(Dictionary, i32),
    /// The instance has an agent of 8.0 or later, which knows no ids: another process uses its id.
    NotAnnounced(InstanceId),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(dictionary) => write!(f, "no id is left for {dictionary}"),
            Self::TooManyAdopted(dictionary) => {
                write!(f, "no more unknown {dictionary} are taken in")
            }
            Self::NoRoom { limit } => write!(f, "the inventory may take {limit} bytes and is full"),
            Self::OtherApplication { instance, known } => {
                write!(f, "instance {instance} belongs to application {known}")
            }
            Self::NotAnInstance(id) => write!(f, "{id} is not an instance id"),
            Self::Internal(dictionary, id) => {
                write!(
                    f,
                    "{id} is an internal id of {dictionary}, which no agent is told"
                )
            }
            Self::NotAnnounced(id) => write!(f, "the agent of instance {id} knows no ids"),
        }
    }
}

impl std::error::Error for Error {}
