//! The part of an instance that its agent may report again: generation and properties.

use super::{Generation, Properties};
use crate::InstanceId;

/// The report of an agent about its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The described instance.
    pub instance: InstanceId,
    /// `None` if the call does not carry it.
    pub generation: Option<Generation>,
    /// Empty if the call does not carry them.
    pub properties: Properties,
}

/// The effect of a proposal on descriptions that differ from the recorded ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Registered instances whose description this proposal changes.
    pub changed: Vec<InstanceId>,
    /// Descriptions that this proposal leaves out, to be applied later.
    pub deferred: Vec<Description>,
}
