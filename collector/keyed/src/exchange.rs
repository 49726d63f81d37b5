//! What processes publish for each other: each writes entries below its own name, and reads the entries of all.
//!
//! Entries are soft state. A process owns its entries and writes them without conditions; it never requires an entry of another
//! process to exist. [`Exchange::next`] returns every entry once, and then the changes in the order in which they were made. After
//! an interruption it returns every entry again, and the user compares them with what it has. So no change is missed, and none has
//! to be stored for a process that cannot read.
//!
//! Providers: [`crate::etcd::Published`], and [`crate::memory::Board`] for tests.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::Error;

/// An entry of a process: its value, or `None` if it was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the process that published it.
    pub member: String,
    /// Its key among the entries of this process.
    pub key: String,
    /// Its value, which the exchange does not interpret.
    pub value: Option<Vec<u8>>,
}

/// What a process reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// All entries that exist.
    All(Vec<Entry>),
    /// Changes since the last news, in order. If several concern one entry, the last one counts.
    Changes(Vec<Entry>),
    /// No changes arrive until the next news, which are all entries.
    Interrupted,
}

/// A change of an entry of this process.
pub type Change = (String, Option<Vec<u8>>);

/// Entries that processes publish for each other.
pub trait Exchange: fmt::Debug + Send + Sync {
    /// Writes and removes entries of this process, in one transaction for each [`MOST_CHANGES`] changes.
    ///
    /// # Errors
    /// Some changes may not have been written. Publishing them again is harmless. After [`Error::NoSpace`] a call that only removes
    /// entries may succeed.
    fn publish<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), Error>>;

    /// Removes all entries of another process.
    ///
    /// # Errors
    /// Some entries may be left.
    fn remove<'a>(&'a self, member: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// Waits for news. One caller at a time; a call that is dropped loses nothing.
    ///
    /// # Errors
    /// The entries cannot be read. The next successful call returns all of them.
    fn next(&self) -> BoxFuture<'_, Result<News, Error>>;

    /// Makes the next call of [`Exchange::next`] return all entries.
    fn restart(&self);
}

/// The most changes of one transaction; etcd accepts 128.
pub const MOST_CHANGES: usize = 100;
/// The most bytes of keys and values of one transaction; etcd accepts 1.5 MiB.
pub const MOST_BYTES: usize = 1024 * 1024;
