//! The last events of one lane, and the position up to which the journal has them.

use std::{collections::VecDeque, sync::Arc};

use rollcall_domain::Timestamp;

use super::event::Recorded;

/// A bounded history in the order of the numbers.
#[derive(Debug)]
pub(super) struct History {
    events: VecDeque<Arc<Recorded>>,
    capacity: usize,
    /// The most events that wait for the journal.
    backlog: usize,
    /// The number of the last event that the journal has; `None` without a journal.
    written: Option<u64>,
    /// Events that were dropped before the journal had them.
    unwritten: u64,
}

impl History {
    pub(super) fn new(capacity: usize, backlog: usize) -> Self {
        Self {
            events: VecDeque::new(),
            capacity,
            backlog: backlog.max(capacity),
            written: None,
            unwritten: 0,
        }
    }

    /// Starts writing to a journal: events after this number must be written.
    pub(super) fn begin_journal(&mut self, written: u64) {
        self.written = Some(written);
    }

    pub(super) fn add(&mut self, recorded: Arc<Recorded>) {
        self.events.push_back(recorded);
        self.trim();
    }

    /// Drops events beyond the capacity. An event that the journal lacks stays until the backlog is full.
    fn trim(&mut self) {
        while self.events.len() > self.capacity {
            let Some(oldest) = self.events.front() else {
                return;
            };
            let is_unwritten = self.written.is_some_and(|written| oldest.number > written);
            if is_unwritten && self.events.len() <= self.backlog {
                return;
            }
            self.unwritten += u64::from(is_unwritten);
            self.events.pop_front();
        }
    }

    /// The next events that the journal lacks.
    pub(super) fn to_write(&self, limit: usize) -> Vec<Arc<Recorded>> {
        let Some(written) = self.written else {
            return Vec::new();
        };
        self.after(written).take(limit).cloned().collect()
    }

    /// Records that the journal has all events up to this number, or will never have them.
    pub(super) fn wrote(&mut self, number: u64) {
        self.written = self.written.map(|written| written.max(number));
        self.trim();
    }

    /// The number of events that the journal lacks.
    pub(super) fn waiting(&self) -> usize {
        self.written
            .map_or(0, |written| self.after(written).count())
    }

    /// The number of events that were dropped before the journal had them.
    pub(super) const fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// The events after the one with this number.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = &Arc<Recorded>> {
        let from = self.events.partition_point(|event| event.number <= number);
        self.events.range(from..)
    }

    /// The oldest event.
    pub(super) fn first(&self) -> Option<&Arc<Recorded>> {
        self.events.front()
    }

    /// The first event in the history whose time is this time or later. The clock may have been set back, so it is not necessarily
    /// the one with the lowest time.
    pub(super) fn at_or_after(&self, time: Timestamp) -> Option<&Arc<Recorded>> {
        self.events.iter().find(|event| event.at >= time)
    }
}
