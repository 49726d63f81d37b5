//! Why an id could not be assigned or adopted.

use std::fmt;

#[cfg(doc)]
use crate::inventory::Limits;
use crate::{ApplicationId, InstanceId, inventory::Dictionary};

/// Why an id could not be assigned or adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Every id of the dictionary's sequence is assigned, or [`Limits::assigned`] is reached.
    Exhausted(Dictionary),
    /// The dictionary holds as many adopted ids as [`Limits::adopted`] allows.
    TooManyAdopted(Dictionary),
    /// The inventory would take more memory than [`Limits::bytes`] allows.
    NoRoom {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The instance belongs to an application other than the one in the call.
    OtherApplication {
        /// The instance.
        instance: InstanceId,
        /// The application that the record has.
        known: ApplicationId,
    },
    /// No collector assigns such an instance id: instances count from 1.
    NotAnInstance(InstanceId),
    /// The id is internal ([`ApplicationId::is_internal`]), so no agent has received it.
    Internal(Dictionary, i32),
    /// The agent of this instance is of 8.0 or later and uses no ids, so another process uses the id.
    NotAnnounced(InstanceId),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(dictionary) => write!(f, "no id is left for {dictionary}"),
            Self::TooManyAdopted(dictionary) => {
                write!(f, "no more unknown {dictionary} are adopted")
            }
            Self::NoRoom { limit } => {
                write!(f, "the inventory is full: its limit is {limit} bytes")
            }
            Self::OtherApplication { instance, known } => {
                write!(f, "instance {instance} belongs to application {known}")
            }
            Self::NotAnInstance(id) => write!(f, "{id} is not an instance id"),
            Self::Internal(dictionary, id) => {
                write!(
                    f,
                    "{id} is an internal id of {dictionary}, which agents never receive"
                )
            }
            Self::NotAnnounced(id) => write!(f, "the agent of instance {id} uses no ids"),
        }
    }
}

impl std::error::Error for Error {}
