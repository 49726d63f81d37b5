//! Why registrations were not forwarded.

/// Why registrations were not forwarded. After `Full` and `BackingOff` the member has not received them; after the other errors it
/// may have committed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// The queue for this member is full.
    #[error("the queue of registrations for this member is full")]
    Full,
    /// The member failed a moment ago, and the client is backing off.
    #[error("the member failed a moment ago")]
    BackingOff,
    /// The member could not be reached or returned an error.
    #[error("the member is unavailable")]
    Failed,
    /// The member did not answer in time.
    #[error("the member did not answer in time")]
    TimedOut,
    /// The member has left the cluster.
    #[error("the member has left")]
    MemberLeft,
}
