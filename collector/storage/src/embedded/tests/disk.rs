//! A disk in memory that fails on request and records which writes were synced.

use std::{io, mem, path::Path, sync::Arc};

use parking_lot::Mutex;
use redb::{Database, StorageBackend};

use super::super::{Medium, open_engine};
use crate::{Error, contract::Random};

/// When a disk fails. Calls are counted from 1 since its creation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Never,
    /// The power fails during the n-th sync: it fails, as does every later call.
    PowerLossAtSync(usize),
    /// The n-th write finds the disk full, as does every later one until there is room again.
    FullAtWrite(usize),
    /// The n-th sync finds the disk full. The process still reads what it wrote before, but a power loss takes any part of it, even
    /// after a later sync: some systems report such an error once and then forget what they could not write.
    FullAtSync(usize),
}

/// A disk; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    fault: Fault,
    failed: bool,
    syncs: usize,
    writes: usize,
    /// The bytes that the process reads.
    current: Vec<u8>,
    /// The bytes at the last sync, and the changes since.
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Write(offset, data) => {
                let end = offset + data.len();
                image.resize(image.len().max(end), 0);
                image[*offset..end].copy_from_slice(data);
            }
        }
    }
}

/// A random part of the changes, in sectors of 512 bytes: none of them, half or all. The length always changes.
fn part(changes: &[Change], random: &mut Random) -> Vec<Change> {
    let kept = [0, 50, 100][random.below(3)];
    let mut part = Vec::new();
    for change in changes {
        match change {
            Change::Length(_) => part.push(change.clone()),
            Change::Write(offset, data) => {
                let sectors = data.chunks(512).enumerate();
                let sectors = sectors.filter(|_| random.below(100) < kept);
                part.extend(
                    sectors.map(|(n, sector)| Change::Write(offset + n * 512, sector.to_vec())),
                );
            }
        }
    }
    part
}

impl Disk {
    pub(super) fn new(image: Vec<u8>, fault: Fault) -> Self {
        Self(Arc::new(Mutex::new(State {
            fault,
            failed: false,
            syncs: 0,
            writes: 0,
            synced: image.clone(),
            current: image,
            unsynced: Vec::new(),
        })))
    }

    /// Whether the fault has happened.
    pub(super) fn failed(&self) -> bool {
        self.0.lock().failed
    }

    /// Makes room on a full disk.
    pub(super) fn make_room(&self) {
        self.0.lock().fault = Fault::Never;
    }

    /// The bytes that the process reads.
    pub(super) fn image(&self) -> Vec<u8> {
        self.0.lock().current.clone()
    }

    /// The bytes that survive a power loss: everything synced, and a random part of the later changes.
    pub(super) fn image_after_power_loss(&self, random: &mut Random) -> Vec<u8> {
        let state = self.0.lock();
        let mut image = state.synced.clone();
        for change in part(&state.unsynced, random) {
            change.apply(&mut image);
        }
        image
    }
}

impl State {
    fn check(&self) -> io::Result<()> {
        match self.fault {
            Fault::PowerLossAtSync(_) if self.failed => Err(io::Error::other("no power")),
            _ => Ok(()),
        }
    }

    fn sync(&mut self, changes: &[Change]) {
        for change in changes {
            change.apply(&mut self.synced);
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.check()?;
        self.writes += 1;
        if matches!(self.fault, Fault::FullAtWrite(n) if self.writes >= n) {
            self.failed = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut self.current);
        self.unsynced.push(change);
        Ok(())
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl Medium for Disk {
    fn reopen(&mut self) -> Result<Database, Error> {
        open_engine(self.clone(), Path::new("disk"))
    }

    fn holds_store(&self) -> io::Result<bool> {
        Ok(true)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.0.lock().current.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock();
        state.check()?;
        let start = index(offset);
        let source = state.current.get(start..start + out.len());
        out.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().change(Change::Length(index(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check()?;
        state.syncs += 1;
        let unsynced = mem::take(&mut state.unsynced);
        match state.fault {
            Fault::PowerLossAtSync(n) if state.syncs >= n => {
                state.failed = true;
                state.unsynced = unsynced;
                state.check()
            }
            Fault::FullAtSync(n) if state.syncs == n => {
                state.failed = true;
                let seed = u64::try_from(n).unwrap();
                state.sync(&part(&unsynced, &mut Random(seed)));
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => {
                state.sync(&unsynced);
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0
            .lock()
            .change(Change::Write(index(offset), data.to_vec()))
    }
}
