//! Limits on the stored properties of one instance.

use crate::inventory::Properties;

use super::AGENT_VERSION;

/// Limits on the properties of one instance. Excess is cut or left out; the agent gets no error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// The largest number of properties.
    pub count: usize,
    /// The longest name, in bytes.
    pub name_bytes: usize,
    /// The longest value, in bytes.
    pub value_bytes: usize,
    /// The most bytes of all names and values together.
    pub total_bytes: usize,
}

impl Caps {
    /// Whether the properties are within the limits. Allocates nothing.
    #[must_use]
    pub fn admit(&self, properties: &Properties) -> bool {
        let (mut count, mut total) = (0, 0);
        properties.iter().all(|(name, value)| {
            count += 1;
            total += name.len() + value.len();
            name.len() <= self.name_bytes
                && value.len() <= self.value_bytes
                && count <= self.count
                && total <= self.total_bytes
        })
    }

    /// The properties cut to the limits: texts are cut at a character boundary, and the last properties are left out first. The
    /// version of the agent is kept at any position.
    #[must_use]
    pub fn fit(&self, properties: &Properties) -> Properties {
        let cut = |(name, value)| (cut(name, self.name_bytes), cut(value, self.value_bytes));
        let is_version = |(name, _): &(&str, &str)| *name == AGENT_VERSION;
        let version = properties.iter().find(is_version).map(cut);
        let (mut count, mut total) = (0, 0);
        let mut fits = |(name, value): &(&str, &str)| {
            let size = name.len() + value.len();
            let is_within = count < self.count && total + size <= self.total_bytes;
            if is_within {
                count += 1;
                total += size;
            }
            is_within
        };
        let version = version.filter(|version| fits(version));
        let others = properties.iter().filter(|pair| !is_version(pair)).map(cut);
        let kept: Vec<_> = others.filter(|pair| fits(pair)).chain(version).collect();
        kept.as_slice().into()
    }
}

/// The longest prefix of a text that ends at a character boundary within `bytes`.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
