//! The queue of log lines to standard error: a bounded buffer, and one thread that writes it.
//!
//! Logging never blocks and never fails. A line that does not fit into the buffer is dropped and counted, and so is a line that
//! cannot be written (a closed pipe, a full disk). Lines are written whole and in order. While standard error does not accept
//! bytes, only the thread of this module waits.
//!
//! There are no retries: a line that could not be written is lost. After the next successful write a warning reports the
//! number of lost lines.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rollcall_metrics::LostLines;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::time::Instant;
use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

#[cfg(test)]
mod tests;

/// The most bytes of lines that wait to be written. The thread may hold the same number of bytes in addition.
const CAPACITY: usize = 256 << 10;

/// The size of one write: whole lines up to the size that the system writes into a pipe atomically (`PIPE_BUF`), so that lines
/// of several processes do not mix, or one longer line.
const PIECE: usize = 4096;

/// At exit, an output that has accepted nothing for this long counts as stalled, and the remaining lines are lost. The time
/// is long enough for the thread to run on a busy machine, because the last lines report why the process ends.
const STALLED: Duration = Duration::from_secs(1);
/// At exit, the time limit for a slow output to accept the waiting lines.
const EXIT_TIMEOUT: Duration = Duration::from_secs(3);

/// The queue of lines to be written. Clones are cheap and share one queue.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Signals that lines wait or that the queue closes.
    filled: Condvar,
    /// Signals that the thread has written a piece or has ended.
    written: Condvar,
    lost: LostLines,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Pieces written or lost so far.
    pieces: u64,
    is_closing: bool,
    is_done: bool,
}

/// The running thread. Dropping it writes the waiting lines, as long as standard error accepts them.
#[derive(Debug)]
pub(crate) struct Flush {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

/// The output of the thread.
trait Output {
    /// Writes some of `bytes` and returns how many. Waits until the output accepts them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// Standard error. It may be non-blocking, because another process can make it so.
struct StandardError;

// === impl Queue ===

impl Queue {
    pub(super) fn new(lost: LostLines) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            lost,
        }))
    }

    /// Starts the thread that writes to standard error.
    ///
    /// # Errors
    /// The system refused a thread.
    pub(super) fn start(self) -> io::Result<Flush> {
        self.start_with(StandardError)
    }

    fn start_with(self, output: impl Output + Send + 'static) -> io::Result<Flush> {
        let queue = self.clone();
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || queue.write_all(output))?;
        Ok(Flush {
            queue: self,
            thread: Some(thread),
        })
    }

    /// Queues a line, or drops and counts it.
    fn push(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.waiting.len().saturating_add(line.len()) > CAPACITY {
            drop(state);
            self.0.lost.full.inc();
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.0.filled.notify_one();
    }

    /// The thread: writes the waiting lines until the queue is closed and empty.
    fn write_all(&self, output: impl Output) {
        let mut writer = Writer {
            output,
            is_torn: false,
        };
        let mut batch = Vec::new();
        let mut reported = 0;
        while self.take(&mut batch) {
            let mut rest = &batch[..];
            let mut has_written = false;
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(piece_length(rest));
                rest = after;
                match writer.write(piece) {
                    Ok(()) => has_written = true,
                    Err(unwritten) => {
                        self.0.lost.failed.inc_by(unwritten);
                    }
                }
                self.0.state.lock().pieces += 1;
                self.0.written.notify_all();
            }
            let lost = self.0.lost.total();
            if has_written && lost > reported {
                warn!(
                    lines = lost - reported,
                    "log lines were dropped: standard error was closed, full or too slow"
                );
                reported = lost;
            }
        }
        self.0.state.lock().is_done = true;
        self.0.written.notify_all();
    }

    /// Waits for lines and moves all of them into `batch`; `false` when the queue is closed and empty.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        let mut state = self.0.state.lock();
        while state.waiting.is_empty() {
            if state.is_closing {
                return false;
            }
            self.0.filled.wait(&mut state);
        }
        std::mem::swap(batch, &mut state.waiting);
        true
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The formatter writes each event at once, so one write is one line.
impl io::Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Flush ===

impl Drop for Flush {
    fn drop(&mut self) {
        let shared = &self.queue.0;
        let until = Instant::now() + EXIT_TIMEOUT;
        let mut state = shared.state.lock();
        state.is_closing = true;
        shared.filled.notify_one();
        while !state.is_done && Instant::now() < until {
            let pieces = state.pieces;
            let waited = shared.written.wait_for(&mut state, STALLED);
            if waited.timed_out() && state.pieces == pieces {
                break;
            }
        }
        let is_done = state.is_done;
        drop(state);
        // A thread that is stuck in a write ends with the process.
        if let Some(thread) = self.thread.take().filter(|_| is_done)
            && thread.join().is_err()
        {
            self.queue.0.lost.failed.inc();
        }
    }
}

// === writing ===

struct Writer<O> {
    output: O,
    /// Whether the last line was written only in part.
    is_torn: bool,
}

impl<O: Output> Writer<O> {
    /// Writes whole lines. Fails with the number of lines that were not written completely.
    fn write(&mut self, lines: &[u8]) -> Result<(), u64> {
        if self.is_torn {
            self.write_bytes(b"\n")
                .map_err(|_none| count_lines(lines))?;
            self.is_torn = false;
        }
        self.write_bytes(lines).map_err(|written| {
            let (before, unwritten) = lines.split_at(written);
            self.is_torn = before.last().is_some_and(|byte| *byte != b'\n');
            count_lines(unwritten)
        })
    }

    /// Writes all bytes. Fails with the number of bytes that were written before the failure.
    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.output.write(&bytes[written..]) {
                Ok(0) | Err(_) => return Err(written),
                Ok(more) => written += more,
            }
        }
        Ok(())
    }
}

/// The length of the whole lines at the start of `lines` that are written together.
fn piece_length(lines: &[u8]) -> usize {
    let window = &lines[..lines.len().min(PIECE)];
    let end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n');
    let first_end = || lines.iter().position(|byte| *byte == b'\n');
    end(window)
        .or_else(first_end)
        .map_or(lines.len(), |at| at + 1)
}

fn count_lines(bytes: &[u8]) -> u64 {
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(ends).unwrap_or(u64::MAX)
}

impl Output for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = rustix::stdio::stderr();
        loop {
            match rustix::io::write(stderr, bytes) {
                Err(Errno::INTR) => {}
                // Another process has made the shared pipe or terminal non-blocking.
                Err(Errno::AGAIN) => {
                    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
                    match poll(&mut ready, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                written => return Ok(written?),
            }
        }
    }
}
