//! Whether this collector may be sent traffic, and if not, why.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

/// The conditions that keep a collector from being ready. Ready means: there are none.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    unmet: Arc<Mutex<BTreeMap<&'static str, Cow<'static, str>>>>,
}

impl Readiness {
    /// Says that `condition` keeps the collector from being ready, and why in words for the operator.
    pub fn unmet(&self, condition: &'static str, reason: impl Into<Cow<'static, str>>) {
        self.unmet.lock().insert(condition, reason.into());
    }

    /// Says that `condition` no longer stands in the way.
    pub fn met(&self, condition: &'static str) {
        self.unmet.lock().remove(condition);
    }

    /// Whether traffic may come.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.unmet.lock().is_empty()
    }

    /// What stands in the way, by condition; empty when ready.
    #[must_use]
    pub fn reasons(&self) -> BTreeMap<&'static str, Cow<'static, str>> {
        self.unmet.lock().clone()
    }
}
