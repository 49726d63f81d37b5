//! Guards that count requests and answers in their [`Traffic`] as long as they live.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rollcall_limits::Charge;

use super::Traffic;
use crate::fault::Exchange;

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Working {
    traffic: Arc<Traffic>,
    /// Present if the request has a body.
    exchange: Option<Arc<Exchange>>,
    /// The charge for a large head.
    head: Option<Charge>,
}

impl Working {
    pub(super) fn new(traffic: &Arc<Traffic>) -> Self {
        traffic.working.fetch_add(1, Relaxed);
        Self {
            traffic: Arc::clone(traffic),
            exchange: None,
            head: None,
        }
    }

    /// Holds the charge for the head until the answer has ended.
    pub(super) fn hold(&mut self, head: Charge) {
        self.head = Some(head);
    }

    /// This request, with the state of its body.
    pub(crate) fn with(mut self, exchange: Option<Arc<Exchange>>) -> Self {
        self.exchange = exchange;
        self
    }

    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_deref()
    }

    /// Counts the request as answered from now on.
    pub(crate) fn answer(mut self) -> Answering {
        self.traffic.answering.fetch_add(1, Relaxed);
        Answering {
            traffic: Arc::clone(&self.traffic),
            _head: self.head.take(),
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        // The request no longer counts as working, so it must not count as waiting for its peer either, even if its handler reads
        // on.
        if self.exchange().is_some_and(Exchange::answer) {
            self.traffic.reading.fetch_sub(1, Relaxed);
        }
        self.traffic.working.fetch_sub(1, Relaxed);
    }
}

/// An answer whose body has not ended.
#[derive(Debug)]
pub(crate) struct Answering {
    traffic: Arc<Traffic>,
    _head: Option<Charge>,
}

impl Answering {
    /// Counts a piece of the answer until it is written.
    pub(crate) fn piece(&self) -> Unread {
        self.traffic.unread.fetch_add(1, Relaxed);
        Unread(Arc::clone(&self.traffic))
    }

    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.traffic.answering.fetch_sub(1, Relaxed);
    }
}

/// The refusal of a stream that is not charged, until its text is written.
#[derive(Debug)]
pub(crate) struct Refusing(Arc<Traffic>);

impl Refusing {
    pub(crate) fn new(traffic: &Arc<Traffic>) -> Self {
        traffic.refusing.fetch_add(1, Relaxed);
        Self(Arc::clone(traffic))
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.0.refusing.fetch_sub(1, Relaxed);
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

/// Marks a request as reading while its handler waits for bytes and has not answered.
#[derive(Debug)]
pub(crate) struct Reading {
    traffic: Arc<Traffic>,
    exchange: Arc<Exchange>,
}

impl Reading {
    pub(crate) fn new(traffic: &Arc<Traffic>, exchange: &Arc<Exchange>) -> Self {
        Self {
            traffic: Arc::clone(traffic),
            exchange: Arc::clone(exchange),
        }
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(crate) fn set_waiting(&self, is_waiting: bool) {
        if !self.exchange.set_waiting(is_waiting) {
            return;
        }
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
