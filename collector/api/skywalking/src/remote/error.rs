//! Why registrations were not passed on.

/// Why registrations were not passed on. Except for the first two they may have been committed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// As many as may wait for this member do so.
    #[error("too many registrations wait for this member")]
    Full,
    /// The member failed a moment ago, and is left alone for another one.
    #[error("the member failed a moment ago")]
    Resting,
    /// The member could not be reached, or answered that it could not.
    #[error("the member cannot be asked")]
    Failed,
    /// The member did not answer in time.
    #[error("the member did not answer in time")]
    Late,
    /// The member is none any more.
    #[error("the member has left")]
    Gone,
}
