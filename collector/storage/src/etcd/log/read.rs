//! Reads the log after the last known entry.

use super::{Log, corrupt, foreign, value};
use crate::{Record, error::Error, etcd::Remote};

/// Why reading the log stops early.
pub(super) enum Stop {
    Error(Error),
    /// The log has a later entry, but not the next one.
    Hole,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Log {
    /// Emits all new rows: those of the log, and those of the snapshot for entries that the log no longer has.
    pub(in crate::etcd) fn read(
        &mut self,
        remote: &Remote,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let mut is_same_log = self.known.last.is_none();
        loop {
            let has_hole = match self.read_entries(remote, &mut is_same_log, sink) {
                Ok(()) => false,
                Err(Stop::Hole) => true,
                Err(Stop::Error(error)) => return Err(error),
            };
            if is_same_log && !has_hole && self.has_tail() {
                break;
            }
            // Another collector may have extended the snapshot since the entries were listed.
            let has_read = self.read_parts(remote, &mut is_same_log, sink)?;
            let is_all = is_same_log && !has_hole && self.is_short();
            if !has_read && is_all {
                break;
            }
            if !has_read {
                return Err(self.missing(is_same_log));
            }
        }
        self.is_stale = false;
        Ok(())
    }

    pub(super) fn missing(&self, is_same_log: bool) -> Error {
        if is_same_log {
            return corrupt(self.key(self.next()), "the entry is missing");
        }
        let what =
            "entries that were read before are missing: was etcd rolled back to an earlier state?";
        corrupt(self.prefix.clone(), what)
    }

    /// Whether the last known entry is one of those that the log keeps after the snapshot.
    fn has_tail(&self) -> bool {
        self.known.last.is_some_and(|last| last.revision > 0) && !self.is_short()
    }

    /// Whether at most the first entry is known, which stays before the snapshot.
    fn is_short(&self) -> bool {
        self.known.last.is_none_or(|last| last.index == 1)
    }

    fn read_entries(
        &mut self,
        remote: &Remote,
        is_same_log: &mut bool,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Stop> {
        let known = self.known.last;
        let from = self.key(known.map_or(0, |known| known.index));
        let prefix = self.prefix.clone();
        remote.each(&prefix, from.into_bytes(), |pair| {
            let Some(index) = self.index(pair) else {
                sink(Record::Damage(foreign(pair)));
                return Ok(());
            };
            if let Some(known) = known
                && index == known.index
                && !*is_same_log
            {
                *is_same_log = pair.create_revision == known.revision
                    && value::stored_checksum(&pair.value) == known.checksum;
                if *is_same_log {
                    return Ok(());
                }
                return Err(self.missing(false).into());
            }
            let next = self.next();
            if !*is_same_log || index > next {
                return Err(Stop::Hole);
            }
            if index < next {
                return Ok(());
            }
            Ok(self.advance(next, pair, sink)?)
        })
    }
}
