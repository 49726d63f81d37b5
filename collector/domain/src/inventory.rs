//! Four dictionaries that give names stable numeric ids: applications, instances, operations, addresses.

mod model;
mod properties;

pub use model::{
    Address, Application, Generation, Instance, InstanceKey, Operation, OperationKey, Row, SpanType,
};
pub use properties::Properties;
