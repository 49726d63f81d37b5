//! One table, whose rows are copied.

use redb::{
    Key, ReadTransaction, ReadableTable as _, TableDefinition, TableError, TableHandle as _, Value,
};

use super::{Copy, Error};

/// A table of a file, whatever the types of its rows.
pub trait Copied: Send {
    /// The name of the table.
    fn name(&self) -> &str;

    /// Copies all rows. A table that the file does not have is not in the copy either.
    ///
    /// # Errors
    /// As [`Snapshot::write`](super::Snapshot::write).
    fn copy(&self, from: &ReadTransaction, to: &mut Copy<'_>) -> Result<(), Error>;
}

/// Finds damage to a row, and describes it.
pub type Check<K, V> =
    for<'a> fn(&<K as Value>::SelfType<'a>, &<V as Value>::SelfType<'a>) -> Result<(), String>;

/// A table whose rows have no checksum.
#[must_use]
pub fn table<K: Key + Send + 'static, V: Value + Send + 'static>(
    definition: TableDefinition<'static, K, V>,
) -> Box<dyn Copied> {
    checked(definition, |_key, _value| Ok(()))
}

/// A table whose rows are checked before they are copied, because the engine verifies pages only when it opens a file.
#[must_use]
pub fn checked<K: Key + Send + 'static, V: Value + Send + 'static>(
    definition: TableDefinition<'static, K, V>,
    check: Check<K, V>,
) -> Box<dyn Copied> {
    Box::new(Rows { definition, check })
}

struct Rows<K: Key + 'static, V: Value + 'static> {
    definition: TableDefinition<'static, K, V>,
    check: Check<K, V>,
}

impl<K: Key + Send + 'static, V: Value + Send + 'static> Copied for Rows<K, V> {
    fn name(&self) -> &str {
        self.definition.name()
    }

    fn copy(&self, from: &ReadTransaction, to: &mut Copy<'_>) -> Result<(), Error> {
        let table = match from.open_table(self.definition) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(Error::read(error)),
        };
        let mut rows = table.iter().map_err(Error::read)?.peekable();
        loop {
            let room = to.room();
            let mut bytes = 0;
            {
                let step = to.step()?;
                let mut copy = step.open_table(self.definition).map_err(Error::write)?;
                while bytes < room
                    && let Some(row) = rows.next()
                {
                    let (key, value) = row.map_err(Error::read)?;
                    let (key, value) = (key.value(), value.value());
                    (self.check)(&key, &value).map_err(|what| Error::Damaged {
                        table: self.name().to_owned(),
                        what,
                    })?;
                    bytes += K::as_bytes(&key).as_ref().len() + V::as_bytes(&value).as_ref().len();
                    copy.insert(key, value).map_err(Error::write)?;
                }
            }
            to.wrote(bytes)?;
            if rows.peek().is_none() {
                return Ok(());
            }
        }
    }
}
