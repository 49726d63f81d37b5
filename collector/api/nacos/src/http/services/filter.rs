//! Filters a list of services by metadata.

use rollcall_domain::catalog::{Instance, Summary};
use serde::Deserialize;

/// Services that have a metadata entry, or that have an instance with it.
#[derive(Debug, PartialEq)]
pub(super) struct Filter {
    of_instance: bool,
    key: String,
    value: String,
}

impl Filter {
    /// Reads `{"type":"label","expression":"INSTANCE.metadata.k='v'"}`. Any other text does not filter.
    pub(super) fn parse(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Given {
            #[serde(rename = "type")]
            kind: String,
            #[serde(default)]
            expression: String,
        }
        let given: Given = serde_json::from_str(text).ok()?;
        let (path, value) = given.expression.split_once('=')?;
        let value = value.trim().trim_matches('\'');
        let (of, key) = path.trim().split_once(".metadata.")?;
        (given.kind == "label" && matches!(of, "INSTANCE" | "SERVICE")).then(|| Self {
            of_instance: of == "INSTANCE",
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }

    pub(super) fn keeps(
        &self,
        instances: &[Instance],
        summary: impl Fn() -> Option<Summary>,
    ) -> bool {
        if self.of_instance {
            let mut all = instances.iter();
            return all.any(|one| one.metadata().get(&self.key) == Some(&self.value));
        }
        summary().is_some_and(|one| one.metadata.get(&self.key) == Some(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_an_entry_of_the_metadata() {
        let text = r#"{"type":"label","expression":"INSTANCE.metadata.k='v2'"}"#;
        let filter = Filter::parse(text).unwrap();
        assert_eq!(
            (filter.of_instance, &*filter.key, &*filter.value),
            (true, "k", "v2")
        );
        for text in [
            "",
            "{",
            r#"{"type":"none"}"#,
            r#"{"type":"label","expression":"X.metadata.k='v'"}"#,
        ] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
