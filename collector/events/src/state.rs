//! The events in memory: numbers, histories and timelines, under one lock.

use std::sync::Arc;

use rollcall_domain::{InstanceId, Timestamp};
use rollcall_limits::{Budget, Peer};

use super::{
    config::Config,
    event::{
        CollectorEvent, Event, InstanceEvent, InstanceKind, Lane, Recorded, ServiceEvent,
        ServiceInstance,
    },
    history::History,
    rings::Rings,
    shares::Shares,
};

/// The most events that wait for the journal. Beyond this number, the oldest ones will be missing in it.
pub(super) const BACKLOG: usize = 1 << 17;
/// The most instances of each kind that one sweep examines.
const FLOODS: usize = 1024;
/// The number of event numbers that a run skips after a crash, because the crashed run may have assigned them. A run that has
/// assigned this many since its last durable event begins a series of its own.
pub(super) const SKIPPED: u64 = 3 << 17;

#[derive(Debug)]
pub(super) struct State {
    /// Identifies the numbering.
    pub(super) series: i64,
    /// The number up to which the journal durably has the events of this series; `None` if no later run continues the series.
    pub(super) durable: Option<u64>,
    /// The number of the last event.
    pub(super) newest: u64,
    /// The number of the first event of this run. Earlier events may be missing here.
    pub(super) first_of_run: u64,
    pub(super) histories: [History; 3],
    pub(super) instances: Rings<InstanceId>,
    pub(super) services: Rings<ServiceInstance>,
    /// The shares of peers in the lanes of agents and of services.
    shares: [Shares; 2],
    pub(super) unrecorded: Unrecorded,
}

/// Changes that were only counted in this run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unrecorded {
    /// Changes of instances that change too often.
    pub(super) by_instance: u64,
    /// Changes of peers that cause too many changes.
    pub(super) by_peer: u64,
}

impl State {
    pub(super) fn new(config: &Config, series: i64) -> Self {
        let half = config.memory / 2;
        let history = || History::new(config.backlog, BACKLOG);
        Self {
            series,
            durable: None,
            newest: 0,
            first_of_run: 1,
            histories: [history(), history(), history()],
            instances: Rings::new(config.per_instance, Budget::new("agent_timelines", half)),
            services: Rings::new(config.per_instance, Budget::new("service_timelines", half)),
            shares: [Shares::new(config.per_peer), Shares::new(config.per_peer)],
            unrecorded: Unrecorded::default(),
        }
    }

    /// Records an event, unless its instance changes too often, or the peer that caused it has used up its share.
    pub(super) fn record(&mut self, source: Option<Peer>, at: Timestamp, event: Event) {
        self.report_shares(at);
        if !self.admit(at, &event) {
            self.unrecorded.by_instance += 1;
            return;
        }
        if !self.has_share(source, at, &event) {
            self.unrecorded.by_peer += 1;
            return self.count(&event, at);
        }
        let counted = self.take_counted(&event);
        let flapping = counted.and_then(|(count, since)| flapping(&event, count, since));
        if let Some(flapping) = flapping {
            self.add(at, flapping);
        }
        self.add(at, event);
    }

    /// Whether the peer that caused an event may cause another one. Decisions of the collector are always recorded, with one
    /// exception: the end of a service instance whose other changes were not recorded.
    fn has_share(&mut self, source: Option<Peer>, at: Timestamp, event: &Event) -> bool {
        let [agents, services] = &mut self.shares;
        match event {
            Event::Instance(_) => {
                let source = source.filter(|_| event.is_by_peer());
                source.is_none() || agents.take(source, at)
            }
            Event::Service(it) if event.is_by_peer() || !self.services.has(&it.instance) => {
                services.take(source, at)
            }
            Event::Service(_) | Event::Collector(_) => true,
        }
    }

    /// Counts a change that is not recorded, of the instance of the event.
    fn count(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Instance(event) => self.instances.count(&event.instance, at),
            Event::Service(event) => self.services.count(&event.instance, at),
            Event::Collector(_) => {}
        }
    }

    /// Takes the changes that were not recorded before this event, if a peer causes such events.
    fn take_counted(&mut self, event: &Event) -> Option<(u64, Timestamp)> {
        match event {
            event if !event.is_by_peer() => None,
            Event::Instance(event) => self.instances.take_counted(&event.instance),
            Event::Service(event) => self.services.take_counted(&event.instance),
            Event::Collector(_) => None,
        }
    }

    /// Reports the changes that were only counted: of instances that no longer change too often, and of peers that have used up
    /// their shares. Examines a bounded number of instances.
    pub(super) fn report_counted(&mut self, at: Timestamp) {
        self.report_shares(at);
        let mut ended = self.instances.ended_floods(at, FLOODS);
        ended.extend(self.services.ended_floods(at, FLOODS));
        for (last, unrecorded, since) in ended {
            if let Some(flapping) = flapping(&last.event, unrecorded, since) {
                self.add(at, flapping);
            }
        }
    }

    /// Records which peers have used up their shares.
    fn report_shares(&mut self, at: Timestamp) {
        for lane in [Lane::Agents, Lane::Services] {
            let report = self.shares[lane.index()].report(at);
            for (peer, unrecorded) in report {
                let peer = peer.map(|peer| peer.to_string());
                tracing::warn!(
                    peer,
                    lane = lane.name(),
                    unrecorded = unrecorded.changes,
                    "a peer causes more changes than timeline.default.per_peer, further changes are only counted"
                );
                let event = CollectorEvent::Flapping {
                    peer,
                    lane: lane.name().to_owned(),
                    unrecorded: unrecorded.changes,
                    since: unrecorded.since,
                };
                self.add(at, Event::Collector(Box::new(event)));
            }
        }
    }

    fn admit(&mut self, at: Timestamp, event: &Event) -> bool {
        match event {
            event if !event.is_by_peer() => true,
            Event::Instance(event) => self.instances.admit(&event.instance, at),
            Event::Service(event) => self.services.admit(&event.instance, at),
            Event::Collector(_) => true,
        }
    }

    pub(super) fn add(&mut self, at: Timestamp, event: Event) {
        self.newest += 1;
        if self
            .durable
            .is_some_and(|durable| self.newest > durable + SKIPPED)
        {
            self.begin_own_series(at);
        }
        let recorded = Arc::new(Recorded {
            number: self.newest,
            at,
            event,
        });
        self.keep(&recorded);
        let lane = recorded.event.lane().index();
        self.histories[lane].add(recorded);
    }

    /// Begins a series that no later run continues. Otherwise, after a crash, the next run would assign the following numbers of
    /// the present series again.
    fn begin_own_series(&mut self, at: Timestamp) {
        self.durable = None;
        self.series = at.millis().max(self.series + 1);
        tracing::warn!(
            unwritten = SKIPPED,
            "the journal of events could not be written for too many events, the following ones have numbers of their own"
        );
    }

    /// Adds an event to the timeline of its instance.
    pub(super) fn keep(&mut self, recorded: &Recorded) {
        let place = (recorded.number, recorded.at);
        match &recorded.event {
            Event::Instance(event) => {
                let (rings, is_first) = (&mut self.instances, event.is_first());
                rings.add(&event.instance, place, event, is_first);
            }
            Event::Service(event) => {
                let (rings, is_first) = (&mut self.services, event.what == "registered");
                rings.add(&event.instance, place, event, is_first);
            }
            Event::Collector(_) => {}
        }
    }

    /// The number before the first event at or after this time in the histories, and whether older events may match as well.
    pub(super) fn before(&self, time: Timestamp) -> (u64, bool) {
        let firsts = self.histories.iter().filter_map(|it| it.at_or_after(time));
        let first = firsts.map(|event| event.number).min();
        let oldest = self.histories.iter().filter_map(History::first);
        let has_older = oldest.min_by_key(|event| event.number);
        let has_older = has_older.is_none_or(|oldest| oldest.at >= time);
        let recent = first.map_or(self.newest, |first| first - 1);
        (recent, has_older)
    }
}

/// The event that reports how many changes of an instance were not recorded.
fn flapping(event: &Event, unrecorded: u64, since: Timestamp) -> Option<Event> {
    Some(match event {
        Event::Instance(event) => Event::Instance(InstanceEvent {
            instance: event.instance,
            kind: InstanceKind::Flapping { unrecorded, since },
        }),
        Event::Service(event) => Event::Service(Box::new(ServiceEvent {
            what: "flapping".into(),
            unrecorded,
            connection_end: None,
            by: None,
            detail: None,
            ..(**event).clone()
        })),
        Event::Collector(_) => return None,
    })
}
