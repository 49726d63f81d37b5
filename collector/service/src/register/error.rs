//! The reasons why a call gets no id.

use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{Dictionary, proposal},
};

/// Why a call got no id, and how the caller can react.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key is invalid: do not retry.
    #[error("{field} {reason}")]
    InvalidKey {
        /// The invalid field, in the terms of the protocols: `application code`, `agent UUID` ...
        field: &'static str,
        /// The fault, as the end of a sentence.
        reason: KeyFault,
    },
    /// The instance belongs to another application: the caller mixes up its ids.
    #[error(
        "instance {instance} belongs to application {known}, not to the application of this call"
    )]
    OtherApplication {
        /// The instance that the call names.
        instance: InstanceId,
        /// The application that it belongs to.
        known: ApplicationId,
    },
    /// No collector ever assigns such an instance id.
    #[error("{0} is not an instance id: they count from 1")]
    NotAnInstance(InstanceId),
    /// The id is internal and never returned to an agent: the caller invents ids.
    #[error("{id} is an internal id of {dictionary}, which is never returned to an agent")]
    Internal {
        /// The dictionary of the id.
        dictionary: Dictionary,
        /// The id, as the caller sent it.
        id: i32,
    },
    /// The instance has an agent of 8.0 or later, which uses no ids: the caller holds an id of an earlier store.
    #[error(
        "the agent of instance {0} uses no ids: another process holds this id from an earlier store, restart that process"
    )]
    NotAnnounced(InstanceId),
    /// The id is unknown, and the limit of adopted ids is reached: register again.
    #[error("the id is unknown, and no more unknown {0} are adopted: register again")]
    TooManyAdopted(Dictionary),
    /// All ids of the dictionary are assigned, or as many as the configuration allows.
    #[error("no id is left for {0}")]
    Exhausted(Dictionary),
    /// The peer requested more new ids than one address may: retry later.
    #[error(
        "this address requested too many new ids (register.default.max_new_per_peer): retry later"
    )]
    PeerLimit,
    /// The inventory uses all the memory that it may: try another collector.
    #[error(
        "the inventory is full, its limit is {limit} bytes (register.default.inventory_memory): registered names keep working, \
        new names are refused"
    )]
    NoRoom {
        /// In bytes.
        limit: usize,
    },
    /// The store cannot hold this value: do not retry.
    #[error("this cannot be stored: {reason}")]
    Refused {
        /// The reason from the store.
        reason: String,
    },
    /// Too many calls wait: retry here or at another collector.
    #[error("too many registrations wait: retry later")]
    Overloaded,
    /// No id was durable in time, but may be soon: retry.
    #[error("no id was durable within the deadline: retry")]
    DeadlineExceeded,
    /// After a start on an empty or restored store no ids are assigned for a while, because agents may hold them: retry.
    #[error(
        "agents may hold ids that the store does not have: new ids are assigned when the listening period ends \
        (register.default.listening_period), retry later"
    )]
    Listening,
    /// The store is unavailable: retry here or at another collector.
    #[error("the store is unavailable, so no new ids can be assigned: retry later")]
    StoreUnavailable,
    /// The disk or the quota of the store is full: retry here or at another collector.
    #[error(
        "the disk or the quota of the store is full, so no new ids can be assigned: retry later"
    )]
    StoreFull,
    /// The writer has ended, because the collector stops or its storage failed: try another collector.
    #[error("this collector no longer assigns ids: try another")]
    Stopped,
}

/// Why a key is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// It is longer than `register.default.max_name_bytes`.
    #[error("is {length} bytes long, the limit is {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The greatest length in bytes.
        limit: usize,
    },
}

impl Error {
    /// Whether there is no id yet but a retry will return one. The face then sends the answer "not yet" of the caller's generation.
    #[must_use]
    pub const fn is_unassigned(&self) -> bool {
        matches!(self, Self::DeadlineExceeded | Self::Listening)
    }

    /// Whether the error reports an id as unknown or as another caller's. Another collector may have changed that since this
    /// collector last read the store. An agent drops its ids on such an error, so the error is returned only after a fresh read.
    #[must_use]
    pub(super) const fn is_doubtful(&self) -> bool {
        matches!(
            self,
            Self::TooManyAdopted(_) | Self::OtherApplication { .. }
        )
    }

    /// Whether the same call may succeed later, here or at another collector.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::InvalidKey { .. }
            | Self::OtherApplication { .. }
            | Self::NotAnInstance(_)
            | Self::Internal { .. }
            | Self::NotAnnounced(_)
            | Self::TooManyAdopted(_)
            | Self::Refused { .. }
            | Self::Exhausted(_) => false,
            Self::PeerLimit
            | Self::NoRoom { .. }
            | Self::Overloaded
            | Self::DeadlineExceeded
            | Self::Listening
            | Self::StoreUnavailable
            | Self::StoreFull
            | Self::Stopped => true,
        }
    }
}

impl From<proposal::Error> for Error {
    fn from(error: proposal::Error) -> Self {
        match error {
            proposal::Error::Exhausted(dictionary) => Self::Exhausted(dictionary),
            proposal::Error::TooManyAdopted(dictionary) => Self::TooManyAdopted(dictionary),
            proposal::Error::NoRoom { limit } => Self::NoRoom { limit },
            proposal::Error::OtherApplication { instance, known } => {
                Self::OtherApplication { instance, known }
            }
            proposal::Error::NotAnInstance(id) => Self::NotAnInstance(id),
            proposal::Error::Internal(dictionary, id) => Self::Internal { dictionary, id },
            proposal::Error::NotAnnounced(id) => Self::NotAnnounced(id),
        }
    }
}
