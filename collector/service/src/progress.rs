//! The progress of a collector's start.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of records read from the store so far. Clones share one count.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Records>);

#[derive(Debug, Default)]
struct Records {
    read: AtomicUsize,
    /// 0 until the store is open.
    expected: AtomicUsize,
}

impl Progress {
    /// The store is open and has this many records.
    pub fn expect(&self, records: usize) {
        self.0.expected.store(records, Ordering::Relaxed);
    }

    /// Counts records that have been read.
    pub fn add(&self, records: usize) {
        self.0.read.fetch_add(records, Ordering::Relaxed);
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.0.read.load(Ordering::Relaxed);
        match self.0.expected.load(Ordering::Relaxed) {
            0 if read == 0 => f.write_str("the store is being opened"),
            expected => {
                let expected = expected.max(read);
                write!(f, "the store is being read: {read} of {expected} records")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_never_more_than_all() {
        let progress = Progress::default();
        assert_eq!(progress.to_string(), "the store is being opened");
        progress.expect(10);
        assert_eq!(
            progress.to_string(),
            "the store is being read: 0 of 10 records"
        );
        progress.add(12);
        assert_eq!(
            progress.to_string(),
            "the store is being read: 12 of 12 records"
        );
    }
}
