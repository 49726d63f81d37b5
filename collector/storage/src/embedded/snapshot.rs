//! The present state of the store, for a backup while the collector runs.

use rollcall_domain::inventory::{Address, Application, Instance, Operation};
use rollcall_snapshot::{Copied, Snapshot, checked, table};

use super::{
    ADDRESSES, APPLICATIONS, Embedded, INSTANCES, OPERATIONS, SEEN, Table, first::FIRST,
    namespace::NAMESPACE, version::META,
};
use crate::{
    Error, LastSeen,
    codec::{self, Entry},
};

impl Embedded {
    pub(super) fn take_snapshot(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot::new(self.begin_read()?, tables()))
    }
}

/// Every table of a store. Each value in bytes is verified again before it is copied.
fn tables() -> Vec<Box<dyn Copied>> {
    vec![
        table(META),
        table(NAMESPACE),
        table(FIRST),
        rows::<Application>(APPLICATIONS),
        rows::<Instance>(INSTANCES),
        rows::<Operation>(OPERATIONS),
        rows::<Address>(ADDRESSES),
        rows::<LastSeen>(SEEN),
    ]
}

fn rows<E: Entry>(table: Table) -> Box<dyn Copied> {
    checked(table, |id, value| {
        codec::verify::<E>(*id, value).map_err(|invalid| format!("{id}: {invalid}"))
    })
}
