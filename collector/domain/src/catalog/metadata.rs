//! The metadata of an instance or a service: text keys with text values.

use std::{collections::BTreeMap, sync::Arc};

/// Text keys with text values, in the order of the keys. Immutable; share it in an `Arc`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata(Box<[(Box<str>, Box<str>)]>);

/// A change of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The new entries replace all others.
    Replace(Arc<Metadata>),
    /// The new entries are added, and replace entries with the same key.
    Merge(Arc<Metadata>),
    /// Entries with these keys are removed, whatever their value.
    Remove(Arc<Metadata>),
}

impl Metadata {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.0.get(found).map(|(_, value)| &**value)
    }

    /// The entries, ordered by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(k, v)| k.len() + v.len()).sum()
    }

    /// The metadata after a change.
    #[must_use]
    pub fn changed(self: &Arc<Self>, change: &Change) -> Arc<Self> {
        match change {
            Change::Replace(new) => Arc::clone(new),
            Change::Merge(new) if new.is_empty() => Arc::clone(self),
            Change::Merge(new) => Arc::new(self.iter().chain(new.iter()).collect()),
            Change::Remove(keys) => {
                let kept = self.iter().filter(|(key, _)| keys.get(key).is_none());
                Arc::new(kept.collect())
            }
        }
    }
}

/// A later entry replaces an earlier one with the same key.
impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let sorted: BTreeMap<Box<str>, Box<str>> = entries
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Self(sorted.into_iter().collect())
    }
}
