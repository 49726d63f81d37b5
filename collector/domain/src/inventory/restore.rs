//! Why stored rows cannot all be true.

use std::fmt;

use super::{Dictionary, draft::Progress, entry::Entry, table::Table};

/// A row contradicts another one. Numbers are ids of the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Two keys for one id, or a key for the reserved id.
    TwoKeys { dictionary: Dictionary, id: i32 },
    /// Two ids for one key.
    TwoIds {
        dictionary: Dictionary,
        ids: [i32; 2],
    },
}

/// Whether an entry may be restored, and how far it brings its dictionary.
pub(super) fn check<E: Entry>(
    entry: &E,
    table: &Table<E>,
    progress: &mut Progress,
) -> Result<(), Error> {
    let (dictionary, id, number) = (E::DICTIONARY, entry.id(), E::number(entry.id()));
    let key = entry.key();
    let known = table.read(id, |known| known.may_become(entry));
    if known == Some(false) || (key.is_some() && E::RESERVED == Some(number)) {
        return Err(Error::TwoKeys {
            dictionary,
            id: number,
        });
    }
    if let Some(other) = key.and_then(|key| table.id(&key))
        && other != id
    {
        return Err(Error::TwoIds {
            dictionary,
            ids: [E::number(other), number],
        });
    }
    if known.is_none() {
        if entry.is_adopted() {
            progress.adopted += 1;
        } else {
            progress.sequence.observe(number);
            progress.assigned += usize::from(E::RESERVED != Some(number));
        }
    }
    Ok(())
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
