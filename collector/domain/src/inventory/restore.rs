//! Insertion of stored rows, and the contradictions between them.

use std::fmt;

use super::{
    Address, Application, Dictionary, Instance, InstanceView, Inventory, Operation, Row,
    entry::Entry,
    overlay::Progress,
    table::{Conflict, Prepared, Table},
};
use crate::InstanceId;

/// A stored row that is ready to be inserted. Any thread can prepare rows ([`Inventory::prepare`]), which is half of the work, for
/// the thread that inserts them ([`Allocator::insert`](super::Allocator::insert)).
pub struct PreparedRow(pub(super) Kind);

pub(super) enum Kind {
    Application(Prepared<Application>),
    Instance(Prepared<Instance>),
    Operation(Prepared<Operation>),
    Address(Prepared<Address>),
}

impl fmt::Debug for PreparedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedRow").finish_non_exhaustive()
    }
}

impl PreparedRow {
    /// The id of the row, if it is an instance.
    #[must_use]
    pub const fn instance(&self) -> Option<InstanceId> {
        match &self.0 {
            Kind::Instance(row) => Some(row.id),
            Kind::Application(_) | Kind::Operation(_) | Kind::Address(_) => None,
        }
    }
}

impl Inventory {
    /// Prepares a stored row for [`Allocator::insert`](super::Allocator::insert).
    #[must_use]
    pub fn prepare(&self, row: &Row) -> PreparedRow {
        PreparedRow(match row {
            Row::Application(row) => Kind::Application(self.applications.prepare(row)),
            Row::Instance(row) => return self.prepare_instance(&row.view()),
            Row::Operation(row) => Kind::Operation(self.operations.prepare(row)),
            Row::Address(row) => Kind::Address(self.addresses.prepare(row)),
        })
    }

    /// As [`Inventory::prepare`], for a borrowed instance.
    #[must_use]
    pub fn prepare_instance(&self, instance: &InstanceView<'_>) -> PreparedRow {
        PreparedRow(Kind::Instance(self.instances.prepare_view(instance)))
    }
}

impl Inventory {
    /// Speeds up the insertion of the instances among these rows, by the thread that calls it next. An insertion takes as long as
    /// its reads of memory, and those of many rows together take hardly longer than those of one.
    pub fn anticipate<'a>(&self, rows: impl Iterator<Item = &'a PreparedRow>) {
        self.instances.touch(rows.filter_map(|row| match &row.0 {
            Kind::Instance(row) => Some(row),
            Kind::Application(_) | Kind::Operation(_) | Kind::Address(_) => None,
        }));
    }
}

/// A row contradicts another one. The numbers are ids of the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Two keys for one id, or a key for the reserved id.
    TwoKeys {
        /// The dictionary with the contradiction.
        dictionary: Dictionary,
        /// The id of both keys.
        id: i32,
    },
    /// Two ids for one key.
    TwoIds {
        /// The dictionary with the contradiction.
        dictionary: Dictionary,
        /// The two ids of one key.
        ids: [i32; 2],
    },
}

/// Inserts an entry and returns the state that it replaces.
pub(super) fn insert<E: Entry>(
    entry: Prepared<E>,
    table: &Table<E>,
    progress: &mut Progress,
) -> Result<Option<E>, Error> {
    let (dictionary, number) = (E::DICTIONARY, E::number(entry.id));
    let (is_reserved, is_adopted) = (E::RESERVED == Some(number), entry.is_adopted);
    let two_keys = Error::TwoKeys {
        dictionary,
        id: number,
    };
    if is_reserved && entry.is_keyed() {
        return Err(two_keys);
    }
    let before = table.restore(entry).map_err(|conflict| match conflict {
        Conflict::Id => two_keys,
        Conflict::Key(other) => Error::TwoIds {
            dictionary,
            ids: [E::number(other), number],
        },
    })?;
    if before.is_none() {
        if is_adopted {
            progress.adopted += 1;
        } else {
            progress.observe(number);
            progress.assigned += usize::from(!is_reserved);
        }
    }
    Ok(before)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoKeys { dictionary, id } => {
                write!(f, "{dictionary}: id {id} is stored with two keys")
            }
            Self::TwoIds {
                dictionary,
                ids: [one, other],
            } => {
                write!(
                    f,
                    "{dictionary}: ids {one} and {other} are stored with one key"
                )
            }
        }
    }
}

impl std::error::Error for Error {}
