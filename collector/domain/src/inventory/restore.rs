//! Insertion of stored rows, and the contradictions between them.

use std::fmt;

use super::{
    Dictionary,
    entry::Entry,
    overlay::Progress,
    table::{Conflict, Table},
};

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
    entry: E,
    table: &Table<E>,
    progress: &mut Progress,
) -> Result<Option<E>, Error> {
    let (dictionary, number) = (E::DICTIONARY, E::number(entry.id()));
    let (is_reserved, is_adopted) = (E::RESERVED == Some(number), entry.is_adopted());
    let two_keys = Error::TwoKeys {
        dictionary,
        id: number,
    };
    if is_reserved && entry.key_ref().is_some() {
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
