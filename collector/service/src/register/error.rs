//! Why there is no id.

use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{Dictionary, proposal},
};

/// Why a call got no id, named by what its caller can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key cannot be anyone's: do not ask again.
    #[error("{field} {reason}")]
    InvalidKey {
        /// What was wrong, in the words of the protocols: `application code`, `agent UUID` ...
        field: &'static str,
        /// How, as the end of a sentence.
        reason: KeyFault,
    },
    /// The instance belongs to another application: the caller mixes up its ids.
    #[error("instance {instance} belongs to application {known}, not to the one it was told with")]
    OtherApplication {
        instance: InstanceId,
        known: ApplicationId,
    },
    /// Nobody ever assigned such an instance id.
    #[error("{0} is not an instance id: they count from 1")]
    NotAnInstance(InstanceId),
    /// The id is one that no agent is told: the caller makes ids up.
    #[error("{id} is an internal id of {dictionary}, which no agent is told")]
    Internal { dictionary: Dictionary, id: i32 },
    /// The instance has an agent of 8.0 or later, which knows no ids: the caller holds an id of an earlier store.
    #[error(
        "the agent of instance {0} knows no ids: this one is held by another process since an earlier store, restart that"
    )]
    NotAnnounced(InstanceId),
    /// The id is unknown, and no more unknown ids are taken: register anew.
    #[error("the id is unknown, and no more unknown {0} are taken in: register again")]
    TooManyAdopted(Dictionary),
    /// All ids of the dictionary are given out, or as many as the operator allows.
    #[error("no id is left for {0}")]
    Exhausted(Dictionary),
    /// The peer asked for more new ids than one address may: ask again later.
    #[error(
        "this address asked for too many new ids (register.default.max_new_per_peer): ask again later"
    )]
    PeerLimit,
    /// The inventory takes as much memory as it may: ask another collector.
    #[error(
        "the inventory is full, it may take {limit} bytes (register.default.inventory_memory): what is registered goes on, \
         new names are refused"
    )]
    NoRoom {
        /// In bytes.
        limit: usize,
    },
    /// The store cannot hold this at all: do not ask again.
    #[error("this cannot be stored: {reason}")]
    Refused {
        /// Why, in the words of the store.
        reason: String,
    },
    /// Too many calls wait: ask again, or ask another collector.
    #[error("too many registrations wait: ask again later")]
    Overloaded,
    /// Nothing was durable in time, but may be soon: ask again.
    #[error("no id was durable within the deadline: ask again")]
    DeadlineExceeded,
    /// After a start on an empty store no ids are drawn for a while, because agents may hold them: ask again.
    #[error(
        "the store is empty and agents hold ids of an earlier one: new ids are drawn when the listening period ends \
         (register.default.listening_period), ask again later"
    )]
    Listening,
    /// The store cannot be asked at present: ask again, or ask another collector.
    #[error(
        "the store cannot be asked at present, and without it there are no new ids: ask again later"
    )]
    StoreUnavailable,
    /// The writer has ended, because the collector stops or its storage failed: ask another collector.
    #[error("this collector no longer assigns ids: ask another")]
    Stopped,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("is empty")]
    Empty,
    #[error("is {length} bytes long, the limit is {limit}")]
    TooLong { length: usize, limit: usize },
}

impl Error {
    /// Whether there is no id yet, and asking again will give one: the answer "not yet" of the caller's generation.
    #[must_use]
    pub const fn is_unassigned(&self) -> bool {
        matches!(self, Self::DeadlineExceeded | Self::Listening)
    }

    /// Whether this says that an id is unknown or not the caller's, which another collector may have changed since this one last
    /// read the store. The caller gives its ids up on it, so it is said only after a fresh read.
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
