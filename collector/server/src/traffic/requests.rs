//! Guards that count requests and answers in their [`Traffic`] as long as they live.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Traffic;

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Working(pub(super) Arc<Traffic>);

impl Working {
    /// Counts the request as answered from now on.
    pub(crate) fn answer(self) -> Answering {
        self.0.answering.fetch_add(1, Relaxed);
        Answering(Arc::clone(&self.0))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Relaxed);
    }
}

/// An answer whose body has not ended.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Traffic>);

impl Answering {
    /// Counts a piece of the answer until it is written.
    pub(crate) fn piece(&self) -> Unread {
        self.0.unread.fetch_add(1, Relaxed);
        Unread(Arc::clone(&self.0))
    }

    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Relaxed);
    }
}

/// A piece of an answer that is not written yet.
#[derive(Debug)]
pub(crate) struct Unread(Arc<Traffic>);

impl Unread {
    pub(crate) fn write(&self, bytes: usize) {
        self.0.send(bytes);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.unread.fetch_sub(1, Relaxed);
    }
}

/// Marks a request as reading while its handler waits for bytes.
#[derive(Debug)]
pub(crate) struct Reading {
    traffic: Arc<Traffic>,
    is_waiting: bool,
}

impl Reading {
    pub(crate) fn new(traffic: &Arc<Traffic>) -> Self {
        Self {
            traffic: Arc::clone(traffic),
            is_waiting: false,
        }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(crate) fn set_waiting(&mut self, is_waiting: bool) {
        if self.is_waiting == is_waiting {
            return;
        }
        self.is_waiting = is_waiting;
        if is_waiting {
            self.traffic.reading.fetch_add(1, Relaxed);
        } else {
            self.traffic.reading.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}
