//! The journal of one lane: events on disk, bounded, in two files of which the older one is replaced.
//!
//! A line is a checksum and an event in JSON, so damage costs only its own line, and a torn end is cut off. The first line of a
//! file names its format and the series of the numbers. A reader keeps the files open and reads at positions, so a rotation
//! does not disturb it.

mod files;
mod line;
mod lock;
mod segment;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use rollcall_domain::Timestamp;

use super::event::{CollectorEvent, Event, Lane, Recorded};
use files::{current, directories, new, old, or_missing, sync_directory};
pub(super) use lock::Lock;
use segment::Segment;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the journal of events {path} is unusable: {source}", path = path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// Reads and writes the journal of one lane.
#[derive(Debug)]
pub(super) struct Journal {
    lane: Lane,
    directory: PathBuf,
    /// The most bytes of both files.
    size: u64,
    series: i64,
    /// The older file, which is complete, and the newer file, to which events are appended.
    files: Mutex<(Option<Arc<Segment>>, Arc<Segment>)>,
    /// The lock of the directory, which the journals of all lanes share.
    lock: Option<Arc<Mutex<Lock>>>,
    /// Whether the name of a file or of the directory is new, so that a crash of the machine may lose it.
    is_named_anew: AtomicBool,
    /// The number of the last event that was found or appended.
    last: AtomicU64,
}

/// The journals of a collector, in the order of their lanes.
#[derive(Debug)]
pub(super) struct Journals {
    pub(super) lanes: [Journal; 3],
}

impl Journals {
    /// The journals in a locked directory.
    pub(super) fn new(lanes: [Journal; 3], lock: Lock) -> Self {
        let lock = Arc::new(Mutex::new(lock));
        let lanes = lanes.map(|journal| Journal {
            lock: Some(Arc::clone(&lock)),
            ..journal
        });
        Self { lanes }
    }
}

/// The state of the journal that was found at a start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// The number of the last event.
    pub(super) last: u64,
    /// The number of the first event of the next run, if the last recorded run ended as planned.
    pub(super) next: Option<u64>,
    /// Lines that cannot be read.
    pub(super) damaged: u64,
}

impl Journal {
    /// The series that the first readable journal in a directory names.
    pub(super) fn series(directory: &Path) -> Result<Option<i64>, Error> {
        for lane in Lane::ALL {
            for name in [old(lane), current(lane)] {
                let path = directory.join(name);
                let series = segment::series(&path).map_err(|source| Error { path, source })?;
                if series.is_some() {
                    return Ok(series);
                }
            }
        }
        Ok(None)
    }

    /// Opens the journal of a lane for writing, and calls `sink` with its events, oldest first. A torn end is cut off.
    pub(super) fn open(
        directory: &Path,
        lane: Lane,
        (size, series): (u64, i64),
        mut sink: impl FnMut(Recorded),
    ) -> Result<(Self, Found), Error> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| Error { path, source }
        };
        directories()
            .recursive(true)
            .create(directory)
            .map_err(at(directory))?;
        let mut found = Found::default();
        let mut read = |item| match item {
            Some(line::Item::Header { .. }) => {}
            Some(line::Item::Event(recorded)) => {
                found.last = found.last.max(recorded.number);
                if let Event::Collector(event) = &recorded.event
                    && let CollectorEvent::Stopped { next } = **event
                {
                    found.next = Some(next);
                }
                sink(recorded);
            }
            Some(line::Item::Run { after }) => {
                found.last = found.last.max(after);
                found.next = None;
            }
            Some(line::Item::Later { number }) => found.last = found.last.max(number),
            None => found.damaged += 1,
        };
        let path = directory.join(old(lane));
        let older = Segment::open(&path, None, &mut read).map_err(at(&path))?;
        let path = directory.join(current(lane));
        let newer = Segment::open(&path, Some(series), &mut read).map_err(at(&path))?;
        let newer = newer.ok_or_else(|| at(&path)(io::ErrorKind::NotFound.into()))?;
        let journal = Self {
            lane,
            directory: directory.to_owned(),
            size,
            series,
            files: Mutex::new((older.map(Arc::new), Arc::new(newer))),
            lock: None,
            is_named_anew: AtomicBool::new(true),
            last: AtomicU64::new(found.last),
        };
        Ok((journal, found))
    }

    /// Appends events, and begins a new file whenever the present one has half of the size. Returns how many were appended, and
    /// the error at the next one. Blocks.
    pub(super) fn append(&self, events: &[Arc<Recorded>]) -> (usize, io::Result<()>) {
        let mut rest = events;
        while !rest.is_empty() {
            match self.append_some(rest) {
                Ok(appended) => {
                    let last = appended.checked_sub(1).and_then(|at| rest.get(at));
                    self.last
                        .fetch_max(last.map_or(0, |event| event.number), Relaxed);
                    rest = rest.get(appended..).unwrap_or_default();
                }
                Err(error) => return (events.len() - rest.len(), Err(error)),
            }
        }
        (events.len(), Ok(()))
    }

    /// Records durably that a run begins whose events have numbers above this one. Blocks.
    pub(super) fn begin_run(&self, after: u64) -> io::Result<()> {
        let line = line::run(after)?;
        self.with_room()?.append_line(&line)?;
        self.sync()
    }

    /// Appends as many events as the file has room for, but at least one. Returns how many.
    fn append_some(&self, events: &[Arc<Recorded>]) -> io::Result<usize> {
        self.with_room()?.append(events, self.size / 2)
    }

    /// The file that is written, with less than half of the size.
    fn with_room(&self) -> io::Result<Arc<Segment>> {
        if self.newer().len() >= self.size / 2 {
            self.rotate()?;
        }
        Ok(self.newer())
    }

    /// Makes all appended lines and the names of the files durable. Blocks.
    ///
    /// # Errors
    /// The disk fails, or the file is no longer where the next run looks for it. In the second case a new file is begun, unless
    /// another collector uses the directory by now.
    pub(super) fn sync(&self) -> io::Result<()> {
        let newer = self.newer();
        newer.sync()?;
        let path = self.directory.join(current(self.lane));
        if newer.is_at(&path)? {
            return self.sync_names();
        }
        self.create()?;
        let segment = self.segment(&path)?;
        // The events of the lost file have numbers that the next run must not assign again.
        segment.append_line(&line::run(self.last.load(Relaxed))?)?;
        segment.sync()?;
        self.continue_in(segment);
        self.sync_names()?;
        let what = format!(
            "{} was removed, renamed or replaced while the collector used it, and is begun again",
            path.display()
        );
        Err(io::Error::other(what))
    }

    /// Makes the names of the files and of the directory durable, if any of them is new.
    fn sync_names(&self) -> io::Result<()> {
        if !self.is_named_anew.swap(false, Relaxed) {
            return Ok(());
        }
        let synced = sync_directory(&self.directory).and_then(|()| {
            match sync_directory(&self.directory.join("..")) {
                // The collector may lack the right to read the directory above.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                synced => synced,
            }
        });
        if synced.is_err() {
            self.is_named_anew.store(true, Relaxed);
        }
        synced
    }

    /// Begins a new file. The new file is complete before it replaces the present one, so a full disk costs no older event. The
    /// present file is durable before it replaces the older one, so a crash of the machine leaves at least one of them.
    fn rotate(&self) -> io::Result<()> {
        let [current, old, new] =
            [current(self.lane), old(self.lane), new(self.lane)].map(|it| self.directory.join(it));
        self.create()?;
        or_missing(fs::remove_file(&new))?;
        let segment = self.segment(&new)?;
        self.newer().sync()?;
        or_missing(fs::rename(&current, old))?;
        fs::rename(new, current)?;
        self.continue_in(segment);
        Ok(())
    }

    /// Creates and locks the directory again if it was removed. Does not create the directory above it, which may belong to a
    /// store.
    fn create(&self) -> io::Result<()> {
        match directories().create(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created?,
        }
        match &self.lock {
            Some(lock) => lock.lock().renew(&self.directory),
            None => Ok(()),
        }
    }

    fn segment(&self, path: &Path) -> io::Result<Segment> {
        let segment = Segment::open(path, Some(self.series), drop)?;
        Ok(segment.ok_or(io::ErrorKind::NotFound)?)
    }

    /// The file that is written.
    fn newer(&self) -> Arc<Segment> {
        Arc::clone(&self.files.lock().1)
    }

    fn continue_in(&self, segment: Segment) {
        self.is_named_anew.store(true, Relaxed);
        let mut files = self.files.lock();
        files.0 = Some(std::mem::replace(&mut files.1, Arc::new(segment)));
    }

    /// Up to `limit` events after one number and before another. Blocks.
    pub(super) fn read(&self, after: u64, before: u64, limit: usize) -> io::Result<Vec<Recorded>> {
        let (older, newer) = {
            let files = self.files.lock();
            (files.0.clone(), Arc::clone(&files.1))
        };
        let mut events = Vec::new();
        for segment in older.into_iter().chain([newer]) {
            segment.read(after, |recorded| {
                if recorded.number >= before || events.len() >= limit {
                    return false;
                }
                if recorded.number > after {
                    events.push(recorded);
                }
                true
            })?;
        }
        Ok(events)
    }

    /// The first event at or after this time. Blocks.
    pub(super) fn at_or_after(&self, time: Timestamp) -> io::Result<Option<u64>> {
        let (older, newer) = {
            let files = self.files.lock();
            (files.0.clone(), Arc::clone(&files.1))
        };
        for segment in older.into_iter().chain([newer]) {
            let mut found = None;
            segment.read(segment.number_before(time), |recorded| {
                if recorded.at >= time {
                    found = Some(recorded.number);
                }
                found.is_none()
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The bytes of both files.
    pub(super) fn len(&self) -> u64 {
        let files = self.files.lock();
        files.0.as_ref().map_or(0, |older| older.len()) + files.1.len()
    }
}

#[cfg(test)]
mod tests;
