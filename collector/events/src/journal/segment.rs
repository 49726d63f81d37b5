//! One file of a journal.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;
use rollcall_domain::Timestamp;

use super::line::{self, Item};
use crate::event::Recorded;

/// Lines between two marks.
const STRIDE: u32 = 512;
/// The longest line. A longer line counts as damaged.
const LONGEST: usize = 64 * 1024;

/// An open file of a journal. Shared: one thread appends while others read.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The end of the last complete line.
    len: u64,
    /// Whether the file may have bytes beyond `len`, because a write failed and its bytes could not be cut off.
    is_torn: bool,
    marks: Vec<Mark>,
    /// Lines since the last mark.
    since: u32,
}

/// The position of an event.
#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    at: Timestamp,
    position: u64,
}

impl State {
    /// Adds a line that ends at `end`.
    fn add(&mut self, recorded: Option<(u64, Timestamp)>, begin: u64, end: u64) {
        self.len = end;
        let Some((number, at)) = recorded else {
            return;
        };
        if self.since == 0 {
            self.marks.push(Mark {
                number,
                at,
                position: begin,
            });
        }
        self.since = (self.since + 1) % STRIDE;
    }
}

impl Segment {
    /// Opens a file, finds its lines and calls `sink` with each, or with `None` for a damaged line. With a `series`, opens the file
    /// for writing: creates it if it is missing, and cuts off a torn end. Without a `series`, returns `None` if the file is
    /// missing.
    pub(super) fn open(
        path: &Path,
        series: Option<i64>,
        mut sink: impl FnMut(Option<Item>),
    ) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        if series.is_some() {
            options.write(true).create(true);
        }
        let file = match options.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut state = State::default();
        lines(&file, |text, begin, end| {
            let item = line::decode(text);
            if let Some(item) = &item {
                let recorded = match item {
                    Item::Event(recorded) => Some((recorded.number, recorded.at)),
                    Item::Header { .. } | Item::Run { .. } | Item::Later { .. } => None,
                };
                state.add(recorded, begin, end);
            }
            sink(item);
        })?;
        let segment = Self {
            file,
            state: Mutex::new(state),
        };
        if let Some(series) = series {
            let mut state = segment.state.lock();
            segment.file.set_len(state.len)?;
            if state.len == 0 {
                let header = line::header(series);
                segment.write(&mut state, &header)?;
                state.len = length(&header);
            }
        }
        Ok(Some(segment))
    }

    pub(super) fn len(&self) -> u64 {
        self.state.lock().len
    }

    /// Appends events, at least one, until the file has `limit` bytes. Returns how many. After a failure the bytes that were
    /// written are cut off, at once or before the next write.
    pub(super) fn append(&self, events: &[Arc<Recorded>], limit: u64) -> io::Result<usize> {
        let start = self.len();
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for event in events {
            if !ends.is_empty() && start + length(&bytes) >= limit {
                break;
            }
            line::encode(event, &mut bytes)?;
            ends.push((event.number, event.at, length(&bytes)));
        }
        let mut state = self.state.lock();
        self.write(&mut state, &bytes)?;
        let (appended, mut begin) = (ends.len(), start);
        for (number, at, end) in ends {
            state.add(Some((number, at)), begin, start + end);
            begin = start + end;
        }
        Ok(appended)
    }

    /// Appends a line that is not an event.
    pub(super) fn append_line(&self, line: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        self.write(&mut state, line)?;
        state.len += length(line);
        Ok(())
    }

    fn write(&self, state: &mut State, bytes: &[u8]) -> io::Result<()> {
        if state.is_torn {
            self.file.set_len(state.len)?;
            state.is_torn = false;
        }
        let written = self.file.write_all_at(bytes, state.len);
        if written.is_err() {
            state.is_torn = self.file.set_len(state.len).is_err();
        }
        written
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whether this file is at the path.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match path.metadata() {
            Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The number of an event that precedes all events at or after this time.
    pub(super) fn number_before(&self, time: Timestamp) -> u64 {
        let state = self.state.lock();
        // The clock may have been set back, so the first mark at or after the time decides.
        let later = state.marks.iter().position(|mark| mark.at >= time);
        let at = later.unwrap_or(state.marks.len()).checked_sub(1);
        let mark = at.and_then(|at| state.marks.get(at));
        mark.map_or(0, |mark| mark.number.saturating_sub(1))
    }

    /// Calls `sink` with the events after the number `after`, until `sink` returns `false`. Some events up to `after` may come
    /// first, because reading begins at a mark.
    pub(super) fn read(
        &self,
        after: u64,
        mut sink: impl FnMut(Recorded) -> bool,
    ) -> io::Result<()> {
        let (mut position, end) = {
            let state = self.state.lock();
            let next = state.marks.partition_point(|mark| mark.number <= after + 1);
            let mark = next.checked_sub(1).and_then(|at| state.marks.get(at));
            (mark.map_or(0, |mark| mark.position), state.len)
        };
        let mut buffer = vec![0; 2 * LONGEST];
        let mut held = 0;
        while position < end || held > 0 {
            let read = match position < end {
                true => self.file.read_at(&mut buffer[held..], position)?,
                false => 0,
            };
            position += u64::try_from(read).unwrap_or(u64::MAX);
            held += read;
            let mut rest = &buffer[..held];
            while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                if let Some(Item::Event(recorded)) = line::decode(&rest[..at])
                    && !sink(recorded)
                {
                    return Ok(());
                }
                rest = &rest[at + 1..];
            }
            if read == 0 {
                return Ok(());
            }
            // A line that fills the buffer without an end counts as damaged.
            let kept = if rest.len() == buffer.len() {
                0
            } else {
                rest.len()
            };
            buffer.copy_within(held - kept..held, 0);
            held = kept;
        }
        Ok(())
    }
}

/// The series that the first line of a file names; `None` if the file is missing, or the line is damaged.
pub(super) fn series(path: &Path) -> io::Result<Option<i64>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    let mut reader = BufReader::new(file).take(limit);
    reader.read_until(b'\n', &mut text)?;
    let first = text.strip_suffix(b"\n").and_then(line::decode);
    Ok(match first {
        Some(Item::Header { series }) => Some(series),
        _ => None,
    })
}

/// Calls `sink` with each line of a file without its line break, its position and the position after it. A line that is longer
/// than [`LONGEST`] is passed in pieces. A piece without a line break is passed as an empty line, and so is an incomplete last
/// line.
fn lines(file: &File, mut sink: impl FnMut(&[u8], u64, u64)) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(LONGEST, file);
    let (mut text, mut begin) = (Vec::new(), 0);
    loop {
        text.clear();
        let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(());
        }
        let end = begin + length(&text);
        let is_complete = text.pop_if(|last| *last == b'\n').is_some();
        if !is_complete {
            text.clear();
        }
        sink(&text, begin, end);
        begin = end;
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
