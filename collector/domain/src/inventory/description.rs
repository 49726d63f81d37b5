//! What agents report of instances that are registered.

use super::{Generation, Properties};
use crate::InstanceId;

/// What an agent reports of its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub instance: InstanceId,
    /// `None` where the call does not tell.
    pub generation: Option<Generation>,
    /// Empty where the call does not tell.
    pub properties: Properties,
}

/// What a proposal does with descriptions that are other than those on record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Registered instances whose description changes with the proposal.
    pub changed: Vec<InstanceId>,
    /// Descriptions that have to wait: the proposal leaves them out.
    pub held: Vec<Description>,
}
