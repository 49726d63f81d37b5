//! Records events, and returns them to readers.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use rollcall_domain::{InstanceId, Timestamp};
use rollcall_limits::{Budget, Peer};
use tokio::sync::{Notify, broadcast, watch};

use super::{
    config::Config,
    event::{
        CollectorEvent, Event, InstanceEvent, Lane, Recorded, ServiceEvent, ServiceFilter,
        ServiceInstance,
    },
    history::History,
    inner::{Figures, Inner},
    journal::{Error, Found, Journal, Journals, Lock},
    pack::PackedFilter,
    reader::Reader,
    recorder::Recorder,
    state::{SKIPPED, State},
};

/// Records events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed {
    inner: Arc<Inner>,
}

/// The changes of one instance, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    pub events: Vec<Recorded>,
    /// How many older changes there were; `None` if unknown.
    pub lost: Option<u64>,
}

impl Feed {
    /// A feed in memory. `series` identifies its numbering: the start time in milliseconds.
    #[must_use]
    pub fn new(config: &Config, series: i64) -> Self {
        Self::build(State::new(config, series), None)
    }

    /// A feed with journals in this directory. Its timelines begin with the events of the journals. Blocks.
    ///
    /// # Errors
    /// The journals cannot be read or written, or another collector writes them.
    pub fn open(config: &Config, directory: &Path, series: i64) -> Result<(Self, Recorder), Error> {
        let lock = Lock::acquire(directory)?;
        let mut state = State::new(config, series);
        let earlier = Journal::series(directory)?;
        let continued = earlier.unwrap_or(series);
        let (mut journals, mut found) = (Vec::new(), Vec::new());
        for lane in Lane::ALL {
            let place = (config.journal_size_of(lane), continued);
            let (journal, read) = Journal::open(directory, lane, place, |recorded| {
                let recorded = Arc::new(recorded);
                state.keep(&recorded);
                state.histories[lane.index()].add(recorded);
            })?;
            journals.push(journal);
            found.push(read);
        }
        report_damage(directory, &found);
        let last = found.iter().map(|found| found.last).max().unwrap_or(0);
        let next = found.iter().find_map(|found| found.next);
        // After a clean stop, the numbers of the next run follow directly. Otherwise numbers are skipped that may belong to lost
        // events.
        let is_clean = earlier.is_none() || next == Some(last + 1);
        state.newest = if is_clean { last } else { last + SKIPPED };
        state.first_of_run = state.newest + 1;
        for history in &mut state.histories {
            history.begin_journal(state.newest);
        }
        let journals = <[Journal; 3]>::try_from(journals).ok();
        let journals = journals.map(|journals| Journals::new(journals, lock));
        if let Some(journals) = &journals {
            let journal = &journals.lanes[Lane::Collector.index()];
            begin_series(&mut state, journal, (continued, series));
        }
        let feed = Self::build(state, journals);
        let recorder = Recorder::new(Arc::clone(&feed.inner));
        Ok((feed, recorder))
    }

    fn build(state: State, journals: Option<Journals>) -> Self {
        let (newest, budgets) = (
            state.newest,
            [state.instances.budget(), state.services.budget()],
        );
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                sender: broadcast::Sender::new(1024),
                last: watch::Sender::new(newest),
                wake: Notify::new(),
                journals,
                budgets,
                failed: AtomicU64::new(0),
            }),
        }
    }

    /// Records an event of an instance of an agent.
    pub fn instance(&self, at: Timestamp, event: InstanceEvent) {
        self.instance_by(None, at, event);
    }

    /// As [`Feed::instance`], for an event that a peer caused. It counts against the share of the peer.
    pub fn instance_by(&self, source: Option<Peer>, at: Timestamp, event: InstanceEvent) {
        let event = Event::Instance(event);
        self.inner.publish(&event);
        self.record(source, at, event);
    }

    /// Records an event of an instance of a Nacos service. Subscribers ([`Feed::subscribe`]) do not receive it, because many such
    /// events at once would displace the events of agents.
    pub fn service(&self, at: Timestamp, event: ServiceEvent) {
        self.service_by(None, at, event);
    }

    /// As [`Feed::service`], for an event that a peer caused. It counts against the share of the peer.
    pub fn service_by(&self, source: Option<Peer>, at: Timestamp, event: ServiceEvent) {
        self.record(source, at, Event::Service(Box::new(event)));
    }

    /// Records an event of the collector.
    pub fn collector(&self, at: Timestamp, event: CollectorEvent) {
        let event = Event::Collector(Box::new(event));
        self.inner.publish(&event);
        self.record(None, at, event);
    }

    /// Records events with the numbers of changes that were only counted, once their flood has ended. Call it every few seconds.
    pub fn report_counted(&self, at: Timestamp) {
        let mut state = self.inner.state.lock();
        let before = state.newest;
        state.report_counted(at);
        if state.newest > before {
            self.inner.announce(state.newest);
        }
    }

    /// Records the last event of this run. The next run continues its numbers.
    pub fn stopped(&self, at: Timestamp) {
        let mut state = self.inner.state.lock();
        let next = state.newest + 2;
        let event = CollectorEvent::Stopped { next };
        state.add(at, Event::Collector(Box::new(event)));
        self.inner.announce(state.newest);
    }

    fn record(&self, source: Option<Peer>, at: Timestamp, event: Event) {
        let mut state = self.inner.state.lock();
        state.record(source, at, event);
        self.inner.announce(state.newest);
    }

    /// All later events about agents and collectors, without numbers. A subscriber that falls behind loses the oldest events and
    /// receives the number of lost events.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.inner.sender.subscribe()
    }

    /// A reader of all events after the one with this number; without a number, of all later events.
    #[must_use]
    pub fn read(&self, after: Option<u64>) -> Reader {
        let last = self.inner.last.subscribe();
        let newest = self.inner.state.lock().newest;
        let after = after.map_or(newest, |number| number.min(newest));
        Reader::new(Arc::clone(&self.inner), last, after)
    }

    /// The number of the last event before this time, as far as history and journal reach.
    pub async fn before(&self, time: Timestamp) -> u64 {
        let (recent, has_older) = self.inner.state.lock().before(time);
        if !has_older || self.inner.journals.is_none() {
            return recent;
        }
        let inner = Arc::clone(&self.inner);
        let older = tokio::task::spawn_blocking(move || inner.journal_before(time)).await;
        older
            .ok()
            .flatten()
            .map_or(recent, |older| older.min(recent))
    }

    /// The changes of an instance of an agent.
    #[must_use]
    pub fn timeline(&self, instance: InstanceId) -> Timeline {
        let (events, lost) = self.inner.state.lock().instances.of(&instance);
        Timeline { events, lost }
    }

    /// The changes of an instance of a Nacos service.
    #[must_use]
    pub fn service_timeline(&self, instance: &ServiceInstance) -> Timeline {
        let (events, lost) = self.inner.state.lock().services.of(instance);
        Timeline { events, lost }
    }

    /// Up to `limit` instances of Nacos services that have a timeline and that the filter selects, in no order, including instances
    /// that are no longer registered. Reads all timelines, and holds their lock for one part of them at a time.
    #[must_use]
    pub fn service_instances(&self, filter: &ServiceFilter, limit: usize) -> Vec<ServiceInstance> {
        let filter = PackedFilter::of(filter);
        let (mut found, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let state = self.inner.state.lock();
            let found = (&mut found, limit);
            next = state
                .services
                .subjects(from, |it| filter.selects(it), found);
        }
        found
    }

    /// The newest value that `read` finds in the changes of an instance before the event with this number.
    pub fn last<T>(
        &self,
        instance: InstanceId,
        before: u64,
        read: impl Fn(&InstanceEvent) -> Option<T>,
    ) -> Option<T> {
        let state = self.inner.state.lock();
        state
            .instances
            .last(&instance, before, |recorded| match &recorded.event {
                Event::Instance(event) => read(event),
                Event::Service(_) | Event::Collector(_) => None,
            })
    }

    /// The newest value that `read` finds in the changes of an instance, and the time of that change.
    pub fn last_at<T>(
        &self,
        instance: InstanceId,
        read: impl Fn(&InstanceEvent) -> Option<T>,
    ) -> Option<(T, Timestamp)> {
        let state = self.inner.state.lock();
        state
            .instances
            .last(&instance, u64::MAX, |recorded| match &recorded.event {
                Event::Instance(event) => Some((read(event)?, recorded.at)),
                Event::Service(_) | Event::Collector(_) => None,
            })
    }

    /// The events of the collector that the history holds, oldest first.
    #[must_use]
    pub fn of_the_collector(&self) -> Vec<Arc<Recorded>> {
        let state = self.inner.state.lock();
        let history = &state.histories[Lane::Collector.index()];
        history.after(0).cloned().collect()
    }

    /// The number of readers.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.inner.last.receiver_count()
    }

    /// Identifies the numbering of events. It is the same in every run with the same journal, as long as the journal can be
    /// written. If the journal cannot be written for long, it changes during the run.
    #[must_use]
    pub fn series(&self) -> i64 {
        self.inner.state.lock().series
    }

    /// The number of the last event.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.inner.state.lock().newest
    }

    /// The budgets of the timelines, for the metrics.
    #[must_use]
    pub fn budgets(&self) -> &[Budget; 2] {
        &self.inner.budgets
    }

    /// Counts for the metrics.
    pub(super) fn figures(&self) -> Figures {
        let state = self.inner.state.lock();
        let unwritten: u64 = state.histories.iter().map(History::unwritten).sum();
        Figures {
            recorded: state.newest + 1 - state.first_of_run,
            unrecorded: state.unrecorded,
            timelines: [state.instances.len(), state.services.len()],
            waiting: state.histories.iter().map(History::waiting).sum(),
            missing: unwritten + self.inner.failed.load(Relaxed),
            journals: self
                .inner
                .journals
                .as_ref()
                .map(|it| it.lanes.each_ref().map(Journal::len)),
        }
    }
}

/// Records in the journal of the collector that a run begins, and continues the series of the journal. If that record cannot be
/// written, the next run could not know that this run has assigned numbers, so this run then begins a series of its own.
fn begin_series(state: &mut State, journal: &Journal, (continued, own): (i64, i64)) {
    match journal.begin_run(state.newest) {
        Ok(()) => {
            state.series = continued;
            state.durable = Some(state.newest);
        }
        Err(error) => {
            state.series = own.max(continued + 1);
            tracing::warn!(
                %error,
                "the journal of events cannot be written, the events of this run form a series of their own"
            );
        }
    }
}

fn report_damage(directory: &Path, found: &[Found]) {
    let damaged: u64 = found.iter().map(|found| found.damaged).sum();
    if damaged > 0 {
        tracing::warn!(
            lines = damaged,
            directory = %directory.display(),
            "the journal of events has unreadable lines, their events are skipped"
        );
    }
}
