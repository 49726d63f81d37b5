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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAPS: Caps = Caps {
        count: 3,
        name_bytes: 8,
        value_bytes: 10,
        total_bytes: 40,
    };

    fn kept(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let kept = CAPS.fit(&pairs.into());
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        kept.iter().map(own).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn texts_are_cut_at_a_character_and_the_last_pairs_are_left_out() {
        let reported = [
            ("os", "Linux"),
            ("a long name", "é é é é é"),
            ("c", "3"),
            ("d", "4"),
        ];
        assert_eq!(
            kept(&reported),
            owned(&[("os", "Linux"), ("a long n", "é é é "), ("c", "3")])
        );
        assert!(!CAPS.admit(&reported.as_slice().into()));
    }

    #[test]
    fn a_property_that_does_not_fit_makes_no_room_for_itself() {
        let (long, short) = ("0123456789", "1");
        let reported = [
            ("aaaaaaaa", long),
            ("bbbbbbbb", long),
            ("cccccccc", long),
            ("d", short),
        ];
        assert_eq!(
            kept(&reported),
            owned(&[("aaaaaaaa", long), ("bbbbbbbb", long), ("d", short)])
        );
    }

    proptest! {
        #[test]
        fn what_fits_is_admitted_and_stays(pairs in prop::collection::vec((".{0,12}", ".{0,14}"), 0..6)) {
            let reported: Properties = pairs.into_iter().collect();
            let kept = CAPS.fit(&reported);
            prop_assert!(CAPS.admit(&kept));
            prop_assert_eq!(&CAPS.fit(&kept), &kept);
            if CAPS.admit(&reported) && reported.get(AGENT_VERSION).is_none() {
                prop_assert_eq!(kept, reported);
            }
        }
    }
}
