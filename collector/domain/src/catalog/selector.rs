//! Label selectors: limit the providers that a consumer sees.

use std::{fmt, sync::Arc};

use super::Metadata;

/// Selects the providers with the same labels as the consumer. A label that the consumer lacks is ignored, and if no provider
/// matches, all are shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    /// The expression as written.
    expression: Arc<str>,
    labels: Box<[Box<str>]>,
}

/// An expression that is not of the form `CONSUMER.label.A = PROVIDER.label.A & ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSelector {
    /// The expression, cut to 128 characters.
    pub given: String,
}

const MAX_LABELS: usize = 32;

impl Selector {
    /// Parses an expression: one or more of `CONSUMER.label.A = PROVIDER.label.A`, joined by `&`. White space is ignored.
    ///
    /// # Errors
    /// The expression has another form, names different labels on the two sides, or has more than 32 labels.
    pub fn parse(expression: &str) -> Result<Self, BadSelector> {
        let bad = || BadSelector {
            given: expression.chars().take(128).collect(),
        };
        let dense: String = expression.chars().filter(|c| !c.is_whitespace()).collect();
        let label = |term: &str| -> Option<Box<str>> {
            let (left, right) = term.split_once('=')?;
            let left = left.strip_prefix("CONSUMER.label.")?;
            let right = right.strip_prefix("PROVIDER.label.")?;
            (left == right && !left.is_empty() && !left.contains('=')).then(|| left.into())
        };
        let labels: Option<Vec<Box<str>>> = dense.split('&').map(label).collect();
        match labels {
            Some(labels) if labels.len() <= MAX_LABELS => Ok(Self {
                expression: expression.into(),
                labels: labels.into(),
            }),
            _ => Err(bad()),
        }
    }

    /// The expression as written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether a provider with this metadata has the same value as the consumer for each label of the expression that the consumer
    /// has.
    pub(super) fn matches(&self, consumer: &Metadata, provider: &Metadata) -> bool {
        self.labels.iter().all(|label| {
            consumer
                .get(label)
                .is_none_or(|wanted| provider.get(label) == Some(wanted))
        })
    }
}

impl fmt::Display for BadSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "selector \"{}\" is not valid: use CONSUMER.label.A = PROVIDER.label.A, joined by &",
            self.given
        )
    }
}

impl std::error::Error for BadSelector {}
