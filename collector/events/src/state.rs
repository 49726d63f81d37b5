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
    rings::{Packed, Rings},
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

/// The instance of an event.
#[derive(Debug)]
enum Instance {
    Agent(Packed<InstanceId>),
    Service(Packed<ServiceInstance>),
    /// An event of the collector has none.
    None,
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
        let of = self.instance(&event);
        let is_by_peer = event.is_by_peer();
        if is_by_peer && !self.admit(&of, at) {
            self.unrecorded.by_instance += 1;
            return;
        }
        if !self.has_share(source, at, (&of, is_by_peer)) {
            self.unrecorded.by_peer += 1;
            return self.count(&of, at);
        }
        let counted = if is_by_peer {
            self.take_counted(&of)
        } else {
            None
        };
        let flapping = counted.and_then(|(count, since)| flapping(&event, count, since));
        if let Some(flapping) = flapping {
            self.add_of(&of, at, flapping);
        }
        self.add_of(&of, at, event);
    }

    fn instance(&self, event: &Event) -> Instance {
        match event {
            Event::Instance(event) => Instance::Agent(self.instances.packed(&event.instance)),
            Event::Service(event) => Instance::Service(self.services.packed(&event.instance)),
            Event::Collector(_) => Instance::None,
        }
    }

    /// Whether the peer that caused an event may cause another one. Decisions of the collector are always recorded, with one
    /// exception: the end of a service instance whose other changes were not recorded.
    fn has_share(
        &mut self,
        source: Option<Peer>,
        at: Timestamp,
        (of, is_by_peer): (&Instance, bool),
    ) -> bool {
        let [agents, services] = &mut self.shares;
        match of {
            Instance::Agent(_) => {
                let source = source.filter(|_| is_by_peer);
                source.is_none() || agents.take(source, at)
            }
            Instance::Service(it) if is_by_peer || !self.services.has(it) => {
                services.take(source, at)
            }
            Instance::Service(_) | Instance::None => true,
        }
    }

    /// Counts a change of an instance that is not recorded.
    fn count(&mut self, of: &Instance, at: Timestamp) {
        match of {
            Instance::Agent(it) => self.instances.count(it, at),
            Instance::Service(it) => self.services.count(it, at),
            Instance::None => {}
        }
    }

    /// Takes the changes of an instance that were not recorded.
    fn take_counted(&mut self, of: &Instance) -> Option<(u64, Timestamp)> {
        match of {
            Instance::Agent(it) => self.instances.take_counted(it),
            Instance::Service(it) => self.services.take_counted(it),
            Instance::None => None,
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

    /// Whether a change of an instance that a peer caused may be recorded; otherwise it is counted.
    fn admit(&mut self, of: &Instance, at: Timestamp) -> bool {
        match of {
            Instance::Agent(it) => self.instances.admit(it, at),
            Instance::Service(it) => self.services.admit(it, at),
            Instance::None => true,
        }
    }

    pub(super) fn add(&mut self, at: Timestamp, event: Event) {
        self.add_of(&self.instance(&event), at, event);
    }

    fn add_of(&mut self, of: &Instance, at: Timestamp, event: Event) {
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
        self.keep_of(of, &recorded);
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
        self.keep_of(&self.instance(&recorded.event), recorded);
    }

    fn keep_of(&mut self, of: &Instance, recorded: &Recorded) {
        let place = (recorded.number, recorded.at);
        match (of, &recorded.event) {
            (Instance::Agent(it), Event::Instance(event)) => {
                self.instances.add(it, place, event, event.is_first());
            }
            (Instance::Service(it), Event::Service(event)) => {
                let is_first = event.kind == "registered";
                self.services.add(it, place, event, is_first);
            }
            _ => {}
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
            kind: "flapping".into(),
            unrecorded,
            connection_end: None,
            by: None,
            detail: None,
            ..(**event).clone()
        })),
        Event::Collector(_) => return None,
    })
}
