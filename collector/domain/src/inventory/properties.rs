//! A small list of names and values in one allocation.

mod text;

use std::fmt;

use text::{put, put_name, take, take_name};

/// The properties that an agent reported about its process, in the reported order. Names may repeat (one `ipv4` for each
/// address).
///
/// Stored as one block of bytes, because a collector holds a million of them and seldom reads one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(Box<[u8]>);

/// A buffer in which properties are encoded one after the other. A store uses one buffer for all instances that it reads.
#[derive(Debug, Default)]
pub struct PropertiesBuffer(Vec<u8>);

/// [`Properties`] in the memory of the inventory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PropertiesView<'a>(&'a [u8]);

impl Properties {
    /// Borrows the properties.
    #[must_use]
    pub fn view(&self) -> PropertiesView<'_> {
        PropertiesView(&self.0)
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.view().iter()
    }

    /// The first value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.view().get(name)
    }

    /// The bytes of memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no properties.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }
}

impl PropertiesBuffer {
    /// Removes all properties and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends a property.
    pub fn push(&mut self, name: &str, value: &str) {
        put_name(&mut self.0, name);
        put(&mut self.0, value);
    }

    /// Borrows the properties.
    #[must_use]
    pub fn view(&self) -> PropertiesView<'_> {
        PropertiesView(&self.0)
    }
}

impl<'a> PropertiesView<'a> {
    /// The properties with this encoding, which [`PropertiesView::as_bytes`] returned.
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The pairs in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || Some((take_name(&mut rest)?, take(&mut rest)?)))
    }

    /// The first value of `name`.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    /// The encoded pairs: equal if and only if the pairs are equal and in the same order.
    pub(super) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there are no properties.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> From<&'a Properties> for PropertiesView<'a> {
    fn from(properties: &'a Properties) -> Self {
        properties.view()
    }
}

impl From<PropertiesView<'_>> for Properties {
    fn from(view: PropertiesView<'_>) -> Self {
        Self(view.0.into())
    }
}

impl PartialEq<Properties> for PropertiesView<'_> {
    fn eq(&self, other: &Properties) -> bool {
        *self == other.view()
    }
}

impl From<&[(&str, &str)]> for Properties {
    fn from(pairs: &[(&str, &str)]) -> Self {
        pairs.iter().copied().collect()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        // Reports of agents have about this size, so the buffer seldom grows and is seldom copied.
        let mut bytes = Vec::with_capacity(128);
        for (name, value) in pairs {
            put_name(&mut bytes, name.as_ref());
            put(&mut bytes, value.as_ref());
        }
        // A copy of the right size: an allocator that shrinks the buffer in place leaves an unusable rest of 32 bytes for each
        // instance.
        Self(bytes.as_slice().into())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Debug for PropertiesView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_in_order_and_may_repeat() {
        let pairs = [
            ("ipv4", "10.0.0.1"),
            ("ipv4", "10.0.0.2"),
            ("", ""),
            ("os", "Linux\0é"),
        ];
        let properties: Properties = pairs.into_iter().collect();
        assert_eq!(properties.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(Properties::from(pairs.as_slice()), properties);
        let mut buffer = PropertiesBuffer::default();
        for _ in 0..2 {
            buffer.clear();
            pairs
                .into_iter()
                .for_each(|(name, value)| buffer.push(name, value));
            assert_eq!(buffer.view(), properties);
        }
        assert_eq!(properties.get("ipv4"), Some("10.0.0.1"));
        assert_eq!(properties.get("host"), None);
    }
}
