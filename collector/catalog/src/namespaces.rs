//! Namespaces that operators created. Services may also be in other namespaces, because clients may use any name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Namespace {
    /// Its id. The namespace `public` always exists.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// A text for people.
    pub description: String,
}

pub(crate) type Namespaces = BTreeMap<String, Namespace>;

impl Namespace {
    /// The namespace of clients that name none.
    #[must_use]
    pub fn public() -> Self {
        Self {
            id: rollcall_domain::catalog::PUBLIC.to_owned(),
            name: rollcall_domain::catalog::PUBLIC.to_owned(),
            description: "Default Namespace".to_owned(),
        }
    }
}
