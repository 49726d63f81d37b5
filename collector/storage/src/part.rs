//! A store in parts, so that a start can decode it on several threads.

use std::{fmt, mem};

use rollcall_domain::inventory::{InstanceView, Row};

use crate::{Error, Record, embedded::Values};

/// Receives the records of a part one by one.
pub trait Reader {
    /// Receives a record.
    fn record(&mut self, record: Record);

    /// Receives the row of an instance, as [`Record::Row`]. Its texts are those in the part.
    fn instance(&mut self, instance: InstanceView<'_>) {
        self.record(Record::Row(Row::Instance(instance.into())));
    }
}

impl<F: FnMut(Record)> Reader for F {
    fn record(&mut self, record: Record) {
        self(record);
    }
}

/// Neighbouring records of a store. They may not be decoded yet, and any thread can decode them.
pub struct Part(Kind);

enum Kind {
    Records(Vec<Record>),
    Values(Values),
}

/// The number of records in a part of a store that decodes its records itself. It bounds the memory of large rows that wait.
const RECORDS: usize = 64;

impl Part {
    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Records(records) => records.len(),
            Kind::Values(values) => values.len(),
        }
    }

    /// Whether it has no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes the records and passes them to `reader`.
    ///
    /// # Errors
    /// [`Error::Corrupt`]: a record cannot be trusted.
    pub fn read(self, reader: &mut dyn Reader) -> Result<(), Error> {
        match self.0 {
            Kind::Records(records) => {
                records.into_iter().for_each(|record| reader.record(record));
                Ok(())
            }
            Kind::Values(values) => values.decode(reader),
        }
    }
}

impl From<Values> for Part {
    fn from(values: Values) -> Self {
        Self(Kind::Values(values))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} records)", self.len())
    }
}

/// Gathers the records that `load` emits into parts.
pub(crate) fn gather(
    take: &mut dyn FnMut(Part) -> Result<(), Error>,
    load: impl FnOnce(&mut dyn FnMut(Record)) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut records = Vec::new();
    let mut taken = Ok(());
    let mut part = |records| {
        if taken.is_ok() {
            taken = take(Part(Kind::Records(records)));
        }
    };
    load(&mut |record| {
        records.push(record);
        if records.len() == RECORDS {
            part(mem::take(&mut records));
        }
    })?;
    part(records);
    taken
}
