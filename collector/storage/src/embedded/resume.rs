//! A disk without room: the batch that found it full is kept, and written again once there is room.
//!
//! The engine refuses every call after a failed write, so it is closed, and opened and verified again before the next attempt.
//! A batch only puts rows, so it does not matter whether the failed commit reached the disk: writing the batch again has the same
//! result. Until then nothing else is written, so no row of the batch is ever overwritten by an older one.

use std::{io, path::Path, time::Duration};

use redb::Database;
use rollcall_domain::inventory::Row;
use tokio::time::Instant;

use super::{Embedded, failure};
use crate::{Batch, Error, LastSeen, Record};

/// An attempt verifies the whole store. The pause after it is this many times as long, so that a large store on a full disk does
/// not keep a processor busy.
const PAUSE_FACTOR: u32 = 4;

/// What a store accepts.
#[derive(Debug)]
pub(super) enum State {
    /// Reads and commits.
    Open(Database),
    /// Only [`Embedded::resume`].
    Full(Unwritten),
    /// Nothing more: the result of a commit is unknown.
    Poisoned,
}

/// A batch that found the disk full.
#[derive(Debug)]
pub(super) struct Unwritten {
    rows: Vec<Row>,
    seen: Vec<LastSeen>,
    cause: Cause,
    retry_at: Instant,
}

/// A copy of the error of the operating system.
#[derive(Clone, Copy, Debug)]
struct Cause {
    code: Option<i32>,
    kind: io::ErrorKind,
}

impl Cause {
    fn of(error: &io::Error) -> Self {
        Self {
            code: error.raw_os_error(),
            kind: error.kind(),
        }
    }

    fn at(self, store: &Path) -> Error {
        let error = match self.code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => self.kind.into(),
        };
        failure::io(store, error)
    }
}

impl State {
    /// The open engine of the store at `store`.
    pub(super) fn open(&self, store: &Path) -> Result<&Database, Error> {
        match self {
            Self::Open(database) => Ok(database),
            Self::Full(unwritten) => Err(unwritten.cause.at(store)),
            Self::Poisoned => Err(Error::Poisoned {
                path: store.to_owned(),
            }),
        }
    }

    /// The state after `batch` failed.
    pub(super) fn after(error: &Error, batch: Batch<'_>) -> Self {
        match error {
            Error::Full { error, .. } => Self::Full(Unwritten {
                rows: batch.rows.to_vec(),
                seen: batch.seen.to_vec(),
                cause: Cause::of(error),
                retry_at: Instant::now(),
            }),
            _ => Self::Poisoned,
        }
    }
}

impl Embedded {
    /// The open engine.
    pub(super) fn database(&self) -> Result<&Database, redb::Error> {
        match &self.state {
            State::Open(database) => Ok(database),
            State::Full(_) | State::Poisoned => Err(redb::Error::PreviousIo),
        }
    }

    /// Writes the batch that found the disk full, and emits what is durable then: its rows, and the instances that it forgets. Does
    /// nothing if there is none.
    ///
    /// # Errors
    /// [`Error::Full`]: there is still no room. After any other error the store accepts nothing more.
    pub(super) fn resume(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let mut unwritten = match std::mem::replace(&mut self.state, State::Poisoned) {
            State::Full(unwritten) if Instant::now() >= unwritten.retry_at => unwritten,
            State::Full(unwritten) => {
                let cause = unwritten.cause;
                self.state = State::Full(unwritten);
                return Err(cause.at(&self.store));
            }
            state => {
                self.state = state;
                return Ok(());
            }
        };
        let started = Instant::now();
        match self.write_again(&unwritten) {
            Ok(database) => {
                self.state = State::Open(database);
                let rows = unwritten.rows.into_iter().map(Record::Row);
                let forgotten = unwritten.seen.into_iter().filter(|seen| seen.forgotten);
                rows.chain(forgotten.map(Record::LastSeen)).for_each(sink);
                Ok(())
            }
            Err(error) => {
                if let Error::Full { error, .. } = &error {
                    unwritten.cause = Cause::of(error);
                    unwritten.retry_at = Instant::now() + pause_after(started.elapsed());
                    self.state = State::Full(unwritten);
                }
                Err(error)
            }
        }
    }

    fn write_again(&mut self, unwritten: &Unwritten) -> Result<Database, Error> {
        let database = self.medium.reopen()?;
        let batch = Batch {
            rows: &unwritten.rows,
            seen: &unwritten.seen,
            digest: None,
        };
        self.write(&database, batch)?;
        Ok(database)
    }
}

fn pause_after(attempt: Duration) -> Duration {
    attempt.saturating_mul(PAUSE_FACTOR)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use rollcall_domain::liveness::Signal;

    use super::{
        super::{Config, open},
        *,
    };
    use crate::{
        Storage as _,
        contract::{self, application},
    };

    /// A store whose first batch found the disk full, with that batch. The disk has room since.
    fn full(path: PathBuf) -> (Embedded, Vec<Row>, Vec<LastSeen>) {
        let namespace = String::new();
        let mut store = open(&Config { path, namespace }).unwrap();
        let rows = vec![application(-1, "orders")];
        let forgotten = LastSeen {
            forgotten: true,
            ..contract::seen(2, 7, Signal::Heartbeat, true)
        };
        let seen = vec![contract::seen(1, 7, Signal::Heartbeat, false), forgotten];
        let error = failure::io(&store.store, io::ErrorKind::StorageFull.into());
        let batch = Batch {
            rows: &rows,
            seen: &seen,
            digest: None,
        };
        store.state = State::after(&error, batch);
        (store, rows, seen)
    }

    fn resumed(store: &mut Embedded) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        store.catch_up(&mut |record| records.push(record))?;
        Ok(records)
    }

    #[test]
    fn the_batch_is_written_and_emitted_while_the_directory_stays_locked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let (mut store, rows, seen) = full(path.clone());
        let is_locked = || {
            let (path, namespace) = (path.clone(), String::new());
            matches!(open(&Config { path, namespace }), Err(Error::Locked { .. }))
        };
        assert!(is_locked());
        let emitted = [Record::Row(rows[0].clone()), Record::LastSeen(seen[1])];
        assert_eq!(resumed(&mut store).unwrap(), emitted);
        assert!(is_locked());
        let mut expected = contract::Contents::new();
        contract::apply(&mut expected, &rows, &seen);
        assert_eq!(contract::contents(&mut store), expected);
        assert_eq!(resumed(&mut store).unwrap(), []);
    }

    #[test]
    fn the_next_attempt_waits_for_a_multiple_of_the_last_one() {
        assert_eq!(
            pause_after(Duration::from_millis(500)),
            Duration::from_secs(2)
        );
        let directory = tempfile::tempdir().unwrap();
        let (mut store, ..) = full(directory.path().join("data"));
        let State::Full(unwritten) = &mut store.state else {
            unreachable!()
        };
        unwritten.retry_at = Instant::now() + Duration::from_secs(3600);
        let waiting = resumed(&mut store);
        assert!(matches!(waiting, Err(Error::Full { .. })), "{waiting:?}");
        let State::Full(unwritten) = &mut store.state else {
            unreachable!()
        };
        unwritten.retry_at = Instant::now();
        assert_eq!(resumed(&mut store).unwrap().len(), 2);
    }

    #[test]
    fn a_store_that_was_emptied_meanwhile_is_not_taken_for_a_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, ..) = full(directory.path().join("data"));
        fs::File::create(&store.store).unwrap();
        let emptied = resumed(&mut store);
        assert!(matches!(emptied, Err(Error::Corrupt { .. })), "{emptied:?}");
    }

    #[test]
    fn a_store_that_was_moved_or_replaced_meanwhile_is_not_written() {
        let changes: [fn(&Path); 4] = [
            |file| fs::remove_file(file).unwrap(),
            |file| fs::rename(file, file.with_extension("moved")).unwrap(),
            |file| {
                let copy = file.with_extension("copy");
                fs::copy(file, &copy).unwrap();
                fs::rename(copy, file).unwrap();
            },
            // Some file systems give a new file the inode of one that was just removed, unless that is open.
            |file| {
                let copy = fs::read(file).unwrap();
                fs::remove_file(file).unwrap();
                fs::write(file, copy).unwrap();
            },
        ];
        for change in changes {
            let directory = tempfile::tempdir().unwrap();
            let (mut store, ..) = full(directory.path().join("data"));
            change(&store.store);
            let moved = resumed(&mut store);
            assert!(matches!(moved, Err(Error::Moved { .. })), "{moved:?}");
            let refused = store.commit(Batch::default());
            assert!(
                matches!(refused, Err(Error::Poisoned { .. })),
                "{refused:?}"
            );
        }
    }
}
