use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use parking_lot::Mutex;
use rollcall_metrics::LostLines;

use super::{CAPACITY, EXIT_TIMEOUT, Output, PIECE, Queue};

const PATIENCE: Duration = Duration::from_secs(20);

/// An output that waits for a permit before each write, and fails when the permits' sender is dropped.
struct Gated {
    permits: Receiver<io::Result<usize>>,
    /// Signals that a write has begun.
    begun: Sender<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

struct Gate {
    permits: Sender<io::Result<usize>>,
    begun: Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

fn gated() -> (Gated, Gate) {
    let (permits, granted) = unbounded();
    let (begun, begins) = unbounded();
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let output = Gated {
        permits: granted,
        begun,
        written: Arc::clone(&written),
    };
    let gate = Gate {
        permits,
        begun: begins,
        written,
    };
    (output, gate)
}

impl Output for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _unobserved = self.begun.send(());
        let most = self
            .permits
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        let most = bytes.len().min(most);
        self.written.lock().extend(&bytes[..most]);
        Ok(most)
    }
}

impl Gate {
    fn let_pass(&self, writes: usize) {
        for _ in 0..writes {
            self.permits.send(Ok(usize::MAX)).unwrap();
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.written.lock().clone()).unwrap()
    }
}

fn log(queue: &mut Queue, line: &str) {
    queue.write_all(format!("{line}\n").as_bytes()).unwrap();
}

#[test]
fn all_lines_are_written_whole_and_in_order_before_the_end() {
    let lost = LostLines::default();
    let mut queue = Queue::new(lost.clone());
    let (output, gate) = gated();
    let flush = queue.clone().start_with(output).unwrap();
    // Fewer bytes than the capacity, so that the start time of the thread does not matter.
    let lines: Vec<String> = (0..500).map(|n| format!("{n} {}", "x".repeat(n))).collect();
    for line in &lines {
        log(&mut queue, line);
    }
    gate.let_pass(1000);
    drop(flush);
    assert_eq!(gate.text(), lines.join("\n") + "\n");
    assert_eq!(lost.total(), 0);
}

#[test]
fn a_stalled_output_costs_lines_and_blocks_no_caller() {
    let lost = LostLines::default();
    let mut queue = Queue::new(lost.clone());
    let (output, gate) = gated();
    let flush = queue.clone().start_with(output).unwrap();
    log(&mut queue, "first");
    gate.begun.recv_timeout(PATIENCE).unwrap();
    // The thread holds the first line; the others wait, up to the capacity.
    let line = "x".repeat(1023);
    for _ in 0..CAPACITY / 1024 + 10 {
        log(&mut queue, &line);
    }
    assert_eq!((lost.full.get(), lost.failed.get()), (10, 0));
    // An exit soon stops waiting for it.
    let (ended, end) = bounded(1);
    std::thread::spawn(move || {
        drop(flush);
        ended.send(()).unwrap();
    });
    end.recv_timeout(EXIT_TIMEOUT + PATIENCE).unwrap();
    assert_eq!(gate.text(), "");
}

#[test]
fn failed_writes_are_counted_by_line_and_a_torn_line_is_ended() {
    let lost = LostLines::default();
    let mut queue = Queue::new(lost.clone());
    let (output, gate) = gated();
    let flush = queue.clone().start_with(output).unwrap();
    log(&mut queue, "first");
    gate.begun.recv_timeout(PATIENCE).unwrap();
    for line in ["torn", "lost"] {
        log(&mut queue, line);
    }
    let full = || Err(io::ErrorKind::StorageFull.into());
    gate.let_pass(1);
    for answer in [Ok(2), full()] {
        gate.permits.send(answer).unwrap();
    }
    for _ in 0..2 {
        gate.begun.recv_timeout(PATIENCE).unwrap();
    }
    log(&mut queue, "last");
    gate.let_pass(2);
    drop(flush);
    assert_eq!(gate.text(), "first\nto\nlast\n");
    assert_eq!((lost.full.get(), lost.failed.get()), (0, 2));
}

#[test]
fn a_closed_output_costs_every_line_and_nothing_else() {
    let lost = LostLines::default();
    let mut queue = Queue::new(lost.clone());
    let (output, gate) = gated();
    let flush = queue.clone().start_with(output).unwrap();
    drop(gate.permits);
    for _ in 0..100 {
        log(&mut queue, "line");
    }
    drop(flush);
    assert_eq!((lost.full.get(), lost.failed.get()), (0, 100));
}

#[test]
fn a_piece_is_whole_lines_or_one_long_line() {
    let long = "x".repeat(PIECE * 2) + "\n";
    for (lines, length) in [
        ("a\nb\n".to_owned(), 4),
        (long.clone() + "b\n", long.len()),
        ("a\n".to_owned() + &long, 2),
        ("unfinished".to_owned(), 10),
    ] {
        assert_eq!(super::piece_length(lines.as_bytes()), length);
    }
}
