//! The metadata of an instance or a service: text keys with text values.

use std::sync::Arc;

/// Text keys with text values, in the order of the keys. Immutable; share it in an `Arc`.
///
/// One allocation holds all texts, because there may be as many metadata as instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// The keys and values, one after the other.
    text: Box<str>,
    entries: Box<[Entry]>,
}

/// The positions of an entry in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    key: u32,
    value: u32,
    end: u32,
}

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
        let found = self
            .entries
            .binary_search_by(|entry| self.pair(*entry).0.cmp(key));
        let entry = self.entries.get(found.ok()?)?;
        Some(self.pair(*entry).1)
    }

    /// The entries, ordered by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| self.pair(*entry))
    }

    fn pair(&self, entry: Entry) -> (&str, &str) {
        (
            self.part(entry.key, entry.value),
            self.part(entry.value, entry.end),
        )
    }

    fn part(&self, begin: u32, end: u32) -> &str {
        let place = |at| usize::try_from(at).unwrap_or(usize::MAX);
        self.text.get(place(begin)..place(end)).unwrap_or_default()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
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
impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut pairs: Vec<(K, V)> = entries.into_iter().collect();
        pairs.sort_by(|(one, _), (other, _)| one.as_ref().cmp(other.as_ref()));
        pairs.dedup_by(|later, earlier| {
            let is_same = later.0.as_ref() == earlier.0.as_ref();
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        let size = |(key, value): &(K, V)| key.as_ref().len() + value.as_ref().len();
        let mut text = String::with_capacity(pairs.iter().map(size).sum());
        let add = |(key, value): &(K, V)| {
            let begin = end(&text);
            text.push_str(key.as_ref());
            let middle = end(&text);
            text.push_str(value.as_ref());
            Entry {
                key: begin,
                value: middle,
                end: end(&text),
            }
        };
        let entries = pairs.iter().map(add).collect();
        Self {
            text: text.into(),
            entries,
        }
    }
}

/// The length of a text. Texts are far shorter than 4 GiB, because messages are bounded.
fn end(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_entries_with_one_key_the_later_counts() {
        let metadata: Metadata = [("b", "1"), ("a", ""), ("b", "2"), ("名", "值"), ("b", "3")]
            .into_iter()
            .collect();
        let entries: Vec<_> = metadata.iter().collect();
        assert_eq!(entries, [("a", ""), ("b", "3"), ("名", "值")]);
        let found = ["a", "b", "名", "c", ""].map(|key| metadata.get(key));
        assert_eq!(found, [Some(""), Some("3"), Some("值"), None, None]);
        assert_eq!((metadata.len(), metadata.bytes()), (3, 9));
    }

    #[test]
    fn metadata_with_equal_text_and_other_keys_differ() {
        let one: Metadata = [("ab", "c")].into_iter().collect();
        let other: Metadata = [("a", "bc")].into_iter().collect();
        assert_ne!(one, other);
        assert_eq!(
            Metadata::default(),
            std::iter::empty::<(&str, &str)>().collect()
        );
    }
}
