//! The metadata of a call: JSON, or pairs as `k1=v1,k2=v2`.

use std::{collections::BTreeMap, sync::Arc};

use rollcall_domain::catalog::Metadata;
use serde_json::value::RawValue;

use super::{fault::Fault, params::Params};

/// The metadata of a call, if there is any. Java's client writes an instance without metadata as `null`.
pub(super) fn given<'a>(params: &'a Params<'_>) -> Option<&'a str> {
    params.get("metadata").filter(|text| *text != "null")
}

/// Reads metadata; a blank text stands for no metadata.
///
/// # Errors
/// The text is neither an object of plain values nor a list of pairs.
pub(super) fn parse(text: &str) -> Result<Arc<Metadata>, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Arc::default());
    }
    let parsed = if text.starts_with('{') {
        serde_json::from_str(text).ok().and_then(from_object)
    } else {
        from_pairs(text)
    };
    parsed
        .map(Arc::new)
        .ok_or_else(|| Fault::Metadata(text.chars().take(256).collect()))
}

/// An object whose values are not parsed yet.
pub(super) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// The metadata in an object of texts. Numbers and flags become texts as they are written, so that 1.10 is not 1.1; `null` becomes
/// the empty text.
pub(super) fn from_object(object: Object<'_>) -> Option<Metadata> {
    let entries = object.into_iter().map(|(key, value)| {
        let value = match value.get() {
            text if text.starts_with('"') => serde_json::from_str(text).ok()?,
            "null" => String::new(),
            structure if structure.starts_with(['[', '{']) => return None,
            number_or_flag => number_or_flag.to_owned(),
        };
        Some((key, value))
    });
    entries.collect::<Option<Vec<_>>>().map(Metadata::from_iter)
}

fn from_pairs(text: &str) -> Option<Metadata> {
    let pairs = text.split(',').map(|pair| pair.split_once('='));
    let pairs = pairs.collect::<Option<Vec<_>>>()?;
    Some(pairs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (text, expected) in [
            ("", &[][..]),
            ("{}", &[]),
            (
                r#"{"k":"v","n":1,"b":true,"x":null}"#,
                &[("b", "true"), ("k", "v"), ("n", "1"), ("x", "")],
            ),
            (
                r#"{"a": 1.10,"b":12345678901234567890123,"c":1e3,"d":"\u0031"}"#,
                &[
                    ("a", "1.10"),
                    ("b", "12345678901234567890123"),
                    ("c", "1e3"),
                    ("d", "1"),
                ],
            ),
            ("a=1,b=2", &[("a", "1"), ("b", "2")]),
            ("a=", &[("a", "")]),
            ("url=http://x?y=z", &[("url", "http://x?y=z")]),
            (r#"{"名":"值"}"#, &[("名", "值")]),
        ] {
            let metadata = parse(text).unwrap();
            assert_eq!(metadata.iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn garbage_is_named() {
        for text in [
            "garbage",
            r#"{"a":{"b":1}}"#,
            "{not json",
            "a=1,b",
            r#"{"a":[]}"#,
        ] {
            assert_eq!(parse(text).unwrap_err(), Fault::Metadata(text.to_owned()));
        }
    }
}
