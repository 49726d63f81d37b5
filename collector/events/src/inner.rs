//! The state that a feed, its readers and its recorder share.

use std::sync::{Arc, atomic::AtomicU64};

use parking_lot::Mutex;
use rollcall_domain::Timestamp;
use rollcall_limits::Budget;
use tokio::sync::{Notify, broadcast, watch};

use super::{
    event::{Event, Lane, Recorded},
    journal::Journals,
    state::{State, Unrecorded},
};

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: Mutex<State>,
    pub(super) sender: broadcast::Sender<Event>,
    /// The number of the last event.
    pub(super) last: watch::Sender<u64>,
    /// Wakes the recorder.
    pub(super) wake: Notify,
    /// The journals, one for each lane; `None` without a directory.
    pub(super) journals: Option<Journals>,
    pub(super) budgets: [Budget; 2],
    /// Events that were not written because the disk refused them.
    pub(super) failed: AtomicU64,
}

/// Counts of a feed.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) recorded: u64,
    pub(super) unrecorded: Unrecorded,
    pub(super) timelines: [usize; 2],
    pub(super) waiting: usize,
    pub(super) missing: u64,
    pub(super) journals: Option<[u64; 3]>,
}

impl Inner {
    /// Sends an event to its subscribers.
    pub(super) fn publish(&self, event: &Event) {
        if self.sender.receiver_count() > 0 && self.sender.send(event.clone()).is_err() {
            tracing::trace!("the event feed has no subscriber");
        }
    }

    /// Wakes the readers and the recorder. The caller holds the lock of the state, so that a reader that subscribes meanwhile
    /// finds the event there.
    pub(super) fn announce(&self, newest: u64) {
        if self.last.receiver_count() > 0 {
            self.last.send_replace(newest);
        }
        if self.journals.is_some() {
            self.wake.notify_one();
        }
    }

    /// The event with the lowest number after this one that the histories hold. Numbers before it may be missing.
    pub(super) fn next(&self, after: u64) -> Option<Arc<Recorded>> {
        let state = self.state.lock();
        let firsts = state
            .histories
            .iter()
            .filter_map(|it| it.after(after).next());
        firsts.min_by_key(|event| event.number).cloned()
    }

    /// The number of the first event of this run.
    pub(super) fn first_of_run(&self) -> u64 {
        self.state.lock().first_of_run
    }

    /// Up to `limit` events after one number and before another from the journals, by number. Blocks.
    pub(super) fn read_journals(&self, after: u64, before: u64, limit: usize) -> Vec<Recorded> {
        let mut events = Vec::new();
        for journal in self.journals.iter().flat_map(|it| &it.lanes) {
            match journal.read(after, before, limit) {
                Ok(read) => events.extend(read),
                Err(error) => tracing::warn!(%error, "a journal of events cannot be read"),
            }
        }
        events.sort_unstable_by_key(|event: &Recorded| event.number);
        events.truncate(limit);
        events
    }

    pub(super) fn journal_before(&self, time: Timestamp) -> Option<u64> {
        let firsts = self
            .journals
            .iter()
            .flat_map(|it| &it.lanes)
            .filter_map(|journal| {
                let first = journal.at_or_after(time);
                let first = first.inspect_err(|error| {
                    tracing::warn!(%error, "a journal of events cannot be read");
                });
                first.ok().flatten()
            });
        firsts.min().map(|first| first.saturating_sub(1))
    }

    /// Up to `limit` events of a lane that its journal lacks.
    pub(super) fn to_write(&self, lane: Lane, limit: usize) -> Vec<Arc<Recorded>> {
        self.state.lock().histories[lane.index()].to_write(limit)
    }

    /// Records that a journal holds the event with this number durably.
    pub(super) fn synchronised(&self, number: u64) {
        let durable = &mut self.state.lock().durable;
        *durable = durable.map(|durable| durable.max(number));
    }

    pub(super) fn wrote(&self, lane: Lane, number: u64) {
        self.state.lock().histories[lane.index()].wrote(number);
    }
}
