//! A store in memory, for tests and for callers that can afford to lose everything. Its contents live as long as its handles.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use rollcall_domain::{AddressId, ApplicationId, InstanceId, OperationId, inventory::Row};

use super::{Batch, Commit, Counts, Error, LastSeen, Record, Storage};

/// A store in memory. Clones share its contents, so a test opens the store again with a clone.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    rows: HashMap<Id, Row>,
    seen: HashMap<InstanceId, LastSeen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Id {
    Application(ApplicationId),
    Instance(InstanceId),
    Operation(OperationId),
    Address(AddressId),
}

impl Id {
    const fn of(row: &Row) -> Self {
        match row {
            Row::Application(row) => Self::Application(row.id),
            Row::Instance(row) => Self::Instance(row.id),
            Row::Operation(row) => Self::Operation(row.id),
            Row::Address(row) => Self::Address(row.id),
        }
    }
}

impl Storage for Memory {
    fn counts(&mut self) -> Result<Counts, Error> {
        let contents = self.0.lock();
        let mut counts = Counts {
            seen: contents.seen.len(),
            ..Counts::default()
        };
        for id in contents.rows.keys() {
            *match id {
                Id::Application(_) => &mut counts.applications,
                Id::Instance(_) => &mut counts.instances,
                Id::Operation(_) => &mut counts.operations,
                Id::Address(_) => &mut counts.addresses,
            } += 1;
        }
        Ok(counts)
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let contents = self.0.lock();
        for row in contents.rows.values() {
            sink(Record::Row(row.clone()));
        }
        for seen in contents.seen.values() {
            sink(Record::LastSeen(*seen));
        }
        Ok(())
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        let mut contents = self.0.lock();
        for row in batch.rows {
            contents.rows.insert(Id::of(row), row.clone());
        }
        for seen in batch.seen {
            contents.seen.insert(seen.instance, *seen);
        }
        Ok(Commit::Durable)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::contract::{Provider, contract},
        *,
    };

    impl Provider for Memory {
        type Storage = Self;

        fn open(&self) -> Self {
            self.clone()
        }
    }

    contract!(Memory::default());
}
