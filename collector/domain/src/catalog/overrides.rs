//! The settings of an operator on an instance.

use super::{Metadata, MetadataChange};
use crate::{Moment, Timestamp};

/// The settings of an operator on an instance at an endpoint. They take precedence over registrations of either kind, outlive
/// the instance for a term, and are removed by the operator or after that term.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Whether the instance takes traffic; `None` leaves that to its client.
    pub enabled: Option<bool>,
    /// The weight; `None` leaves it to the client.
    pub weight: Option<f64>,
    /// Applied to the registered metadata: [`MetadataChange::Merge`] adds entries, [`MetadataChange::Replace`] hides all others.
    pub metadata: Option<MetadataChange>,
    /// When an operator last changed it.
    pub set_at: Timestamp,
    /// When it is removed; `None` while there is an instance at the endpoint.
    pub ends_at: Option<Moment>,
}

impl Override {
    /// An empty override.
    #[must_use]
    pub const fn none(set_at: Timestamp) -> Self {
        Self {
            enabled: None,
            weight: None,
            metadata: None,
            set_at,
            ends_at: None,
        }
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.enabled.is_none() && self.weight.is_none() && self.metadata.is_none()
    }

    /// This override with a later one applied.
    #[must_use]
    pub fn with(&self, later: &Self) -> Self {
        Self {
            enabled: later.enabled.or(self.enabled),
            weight: later.weight.or(self.weight),
            metadata: match (&self.metadata, &later.metadata) {
                (Some(MetadataChange::Merge(old)), Some(MetadataChange::Merge(new))) => {
                    let both: Metadata = old.iter().chain(new.iter()).collect();
                    Some(MetadataChange::Merge(both.into()))
                }
                (Some(MetadataChange::Replace(old)), Some(change)) => {
                    Some(MetadataChange::Replace(old.changed(change)))
                }
                (old, None) => old.clone(),
                (_, new) => new.clone(),
            },
            set_at: later.set_at,
            ends_at: self.ends_at,
        }
    }
}
