//! Reads the events of a feed in order.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::watch;

use super::{event::Recorded, inner::Inner, state::SKIPPED};

/// The successor of an event.
#[derive(Clone, Debug)]
pub enum Next {
    /// The next event.
    Event(Arc<Recorded>),
    /// Events are missing that neither the history nor the journal has: their number, or `None` if the collector ended before it
    /// could write them, so that the number is unknown.
    Lost(Option<u64>),
}

/// Reads the events of a [`Feed`](super::Feed) in order, from a chosen one. A reader that falls behind the history reads the
/// journal; events that the journal lacks are lost.
#[derive(Debug)]
pub struct Reader {
    inner: Arc<Inner>,
    last: watch::Receiver<u64>,
    /// The number of the last event that was read.
    read: u64,
    /// Events that were read from the journal ahead.
    ahead: VecDeque<Recorded>,
}

/// Events that are read from the journal at once.
const AHEAD: usize = 512;

impl Reader {
    pub(super) fn new(inner: Arc<Inner>, last: watch::Receiver<u64>, after: u64) -> Self {
        Self {
            inner,
            last,
            read: after,
            ahead: VecDeque::new(),
        }
    }

    /// Identifies the numbering of the events that were read: see [`Feed::series`](super::Feed::series).
    #[must_use]
    pub fn series(&self) -> i64 {
        self.inner.state.lock().series
    }

    /// Waits for the next event, or returns how many were lost before it. `None` once the feed has been dropped.
    pub async fn next(&mut self) -> Option<Next> {
        loop {
            self.last.borrow_and_update();
            if let Some(ahead) = self.ahead.front() {
                let number = ahead.number;
                if number == self.read + 1 {
                    self.read = number;
                    return Some(Next::Event(Arc::new(self.ahead.pop_front()?)));
                }
                return Some(self.lose(number));
            }
            match self.inner.next(self.read) {
                None => self.last.changed().await.ok()?,
                Some(next) if next.number == self.read + 1 => {
                    self.read = next.number;
                    return Some(Next::Event(next));
                }
                Some(next) => {
                    self.read_journal(next.number).await;
                    if self.ahead.is_empty() {
                        return Some(self.lose(next.number));
                    }
                }
            }
        }
    }

    /// Skips to the event with this number, and returns the number of lost events. It is unknown in a gap between an earlier run
    /// and this one, and in one that is as long as the gap that an earlier run left after a crash.
    fn lose(&mut self, next: u64) -> Next {
        let first = self.inner.first_of_run();
        let lost = next - self.read - 1;
        let is_of_earlier_run = self.read + 1 < first && next >= first;
        let is_known = !is_of_earlier_run && lost < SKIPPED;
        self.read = next - 1;
        Next::Lost(is_known.then_some(lost))
    }

    async fn read_journal(&mut self, before: u64) {
        if self.inner.journals.is_none() {
            return;
        }
        let (inner, after) = (Arc::clone(&self.inner), self.read);
        let read = move || inner.read_journals(after, before, AHEAD);
        match tokio::task::spawn_blocking(read).await {
            Ok(events) => self.ahead = events.into(),
            Err(error) => tracing::warn!(%error, "a journal of events cannot be read"),
        }
    }
}
