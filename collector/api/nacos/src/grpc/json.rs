//! JSON fields, read as leniently as the reference does: null and absent are the default, and scalars are converted. Items of a
//! list or a map beyond its limit are skipped, so that the memory of a message is bounded.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Deref};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

mod scalar;
#[cfg(test)]
mod tests;

/// A text; null and absent count as empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Text<'a>(Cow<'a, str>);

/// An optional whole number; text is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole(pub(super) Option<i64>);

/// An optional number; text is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Number(pub(super) Option<f64>);

/// An optional flag; text is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) Option<bool>);

/// Whether a field is present and not null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Present(pub(super) bool);

/// The first `MAX` items of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List<T, const MAX: usize> {
    pub(super) items: Vec<T>,
    /// Whether items were skipped.
    pub(super) is_cut: bool,
}

/// The entries of a map of texts, in their order, up to `MAX` bytes of keys and values. A value that is null is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs<'a, const MAX: usize> {
    pub(super) entries: Vec<(Text<'a>, Text<'a>)>,
    /// Whether entries were skipped.
    pub(super) is_cut: bool,
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Text<'_> {
    /// The same text, owned.
    pub(super) fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<const MAX: usize> Pairs<'_, MAX> {
    /// The same entries, owned.
    pub(super) fn into_owned(self) -> Pairs<'static, MAX> {
        let own = |(key, value): (Text<'_>, Text<'_>)| (key.into_owned(), value.into_owned());
        Pairs {
            entries: self.entries.into_iter().map(own).collect(),
            is_cut: self.is_cut,
        }
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// The list with each item converted.
    pub(super) fn map<U>(self, item: impl Fn(T) -> U) -> List<U, MAX> {
        List {
            items: self.items.into_iter().map(item).collect(),
            is_cut: self.is_cut,
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            is_cut: false,
        }
    }
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            Option::<IgnoredAny>::deserialize(deserializer)?.is_some(),
        ))
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut read = List::default();
        while read.items.len() < MAX {
            match list.next_element()? {
                Some(item) => read.items.push(item),
                None => return Ok(read),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            read.is_cut = true;
        }
        Ok(read)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct PairsVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for PairsVisitor<MAX> {
    type Value = Pairs<'de, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut read, mut size) = (Pairs::default(), 0);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            let Some(value) = map.next_value::<Option<Text<'de>>>()? else {
                continue;
            };
            // Each entry counts one extra byte, so that the number of empty entries is limited too.
            size += 1 + key.len() + value.len();
            if size > MAX {
                read.is_cut = true;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                break;
            }
            read.entries.push((key, value));
        }
        Ok(read)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Pairs::default())
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Pairs<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairsVisitor::<MAX>)
    }
}
