//! Writes the last-seen times of instances to the store at intervals, so that a restart keeps their states and the collectors
//! that share the store receive them.

use std::{collections::BTreeSet, future::pending, time::Duration};

use rollcall_domain::{
    InstanceId, Moment,
    liveness::{LeaseRecord, State},
};
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::{Interval, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Core,
    events::{Changed, InstanceEvent, InstanceKind},
    register,
};

/// Settings of the write-back.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between two rounds. The stored times are at most this old.
    pub interval: Duration,
    /// The most instances in one commit, so that registrations never wait long for it.
    pub chunk: usize,
    /// The same in the round at the stop, when no registration waits: a large commit costs less for each instance.
    pub last_chunk: usize,
    /// Whether other collectors read the store. Changes of state are then written at once.
    pub shared: bool,
}

/// Writes the leases that changed since the last round. Never in the path of a request.
#[derive(Debug)]
pub struct WriteBack {
    config: Config,
    core: Core,
    register: register::Handle,
}

/// Changes of state are gathered for this time and written together, because instances often fall silent in groups.
const GATHER: Duration = Duration::from_millis(500);

/// The time limit of the last round of any fleet.
const LAST: Duration = Duration::from_secs(10);
/// The additional time for each instance: several times of what a disk needs that is not overloaded.
const LAST_PER_INSTANCE: Duration = Duration::from_micros(4);

/// The time limit of the last round of a fleet of this size.
pub(super) fn last_round(instances: usize) -> Duration {
    let instances = u32::try_from(instances).unwrap_or(u32::MAX);
    LAST.saturating_add(LAST_PER_INSTANCE.saturating_mul(instances))
}

impl WriteBack {
    pub(super) fn new(config: &Config, core: &Core, register: &register::Handle) -> Self {
        Self {
            config: config.clone(),
            core: core.clone(),
            register: register.clone(),
        }
    }

    /// Writes back until cancelled, then once more.
    pub async fn run(self, cancel: CancellationToken) {
        let mut ticks = interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.core.events.feed().changes();
        let mut written = self.core.clock.now();
        ticks.tick().await;
        loop {
            tokio::select! {
                biased;
                // The last round also writes what the round that ends here has not written.
                () = cancel.cancelled() => return self.last(written).await,
                since = self.next(written, &mut ticks, &mut changes) => written = since,
            }
        }
    }

    /// Waits until a round is due or changes must be written at once, and writes. Returns the time since which changes are not
    /// written, which was `written` before.
    async fn next(
        &self,
        written: Moment,
        ticks: &mut Interval,
        changes: &mut Receiver<InstanceEvent>,
    ) -> Moment {
        tokio::select! {
            biased;
            _ = ticks.tick() => {}
            changed = gather(changes, self.config.shared) => {
                let leases = self.leases(changed);
                warn(self.record(leases, self.config.chunk).await);
                return written;
            }
        }
        let now = self.core.clock.now();
        let done = self.round(written, self.config.chunk, &mut 0).await;
        let since = if done.is_ok() { now } else { written };
        warn(done);
        since
    }

    /// The round before the collector stops, with a time limit: a disk that has become slow must not hold up the stop.
    async fn last(&self, written: Moment) {
        let instances = self.core.instances();
        let limit = last_round(instances);
        let mut examined = 0;
        let round = self.round(written, self.config.last_chunk, &mut examined);
        match timeout(limit, round).await {
            Ok(done) => warn(done),
            Err(_elapsed) => tracing::warn!(
                ?limit,
                left = instances.saturating_sub(examined),
                instances,
                "the last write-back took too long and has ended: the instances that were left keep the times of the one before"
            ),
        }
    }

    /// The records of these instances, without those that are up on the evidence of another collector, which reports them itself.
    fn leases(&self, instances: BTreeSet<InstanceId>) -> Vec<LeaseRecord<InstanceId>> {
        let records = instances
            .into_iter()
            .filter_map(|instance| self.core.lessor.record(instance));
        records.collect()
    }

    /// Writes the leases that changed since then, `chunk` at a time, and counts the instances whose leases need no more writing.
    async fn round(
        &self,
        since: Moment,
        chunk: usize,
        examined: &mut usize,
    ) -> Result<(), register::Error> {
        let limit = chunk.max(1);
        let mut cursor = None;
        let mut leases = Vec::new();
        loop {
            let positions = self.core.inventory.positions(cursor, limit);
            let count = positions.len();
            let is_last = count < limit;
            cursor = positions.last().copied();
            let instances = positions.into_iter().map(|position| position.instance);
            self.core
                .lessor
                .changed_since(since, instances, &mut leases);
            // Sorted in the order of the store, so that neighbours share pages.
            leases.sort_unstable_by_key(|lease| lease.key);
            self.record(std::mem::take(&mut leases), limit).await?;
            *examined += count;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn record(
        &self,
        leases: Vec<LeaseRecord<InstanceId>>,
        chunk: usize,
    ) -> Result<(), register::Error> {
        for leases in leases.chunks(chunk.max(1)) {
            let seen = leases
                .iter()
                .map(|lease| self.core.last_seen(lease, self.config.shared));
            self.register.record_seen(seen.collect()).await?;
        }
        Ok(())
    }
}

/// The instances that changed state within [`GATHER`] of the first change. If no other collector reads the store, returns only
/// those that left, because an agent announces its stop only once, and those that came back after they were down or left: after a
/// crash the collector would restore the earlier state, or leave out an instance that was forgotten. Changes that are missed
/// because the feed overflowed are written in the next round.
async fn gather(changes: &mut Receiver<InstanceEvent>, shared: bool) -> BTreeSet<InstanceId> {
    let mut changed = BTreeSet::new();
    while changed.is_empty() {
        match changes.recv().await {
            Ok(event) => changed.extend(change(&event, shared)),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return pending().await,
        }
    }
    sleep(GATHER).await;
    loop {
        match changes.try_recv() {
            Ok(event) => changed.extend(change(&event, shared)),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return changed,
        }
    }
}

fn change(event: &InstanceEvent, shared: bool) -> Option<InstanceId> {
    let InstanceKind::StateChanged(Changed { from, to, .. }) = event.kind else {
        return None;
    };
    let is_back = matches!(from, State::Down | State::Left);
    (shared || is_back || to == State::Left).then_some(event.instance)
}

fn warn(written: Result<(), register::Error>) {
    if let Err(error) = written {
        tracing::warn!(%error, "could not write back when instances were last seen");
    }
}

#[cfg(test)]
mod tests {
    use rollcall_domain::{
        Timestamp,
        liveness::{Observer, Signal},
    };
    use tokio::sync::broadcast;

    use super::{super::events::Connection, *};

    fn id(raw: i32) -> InstanceId {
        InstanceId::new(raw).unwrap()
    }

    fn changed(raw: i32, from: State, to: State) -> InstanceEvent {
        let kind = InstanceKind::StateChanged(Changed {
            from,
            to,
            since: Timestamp::from_millis(0),
            last_seen: Timestamp::from_millis(0),
            signal: Signal::Heartbeat,
            usual: Duration::ZERO,
            term: Duration::ZERO,
            connection: Connection::Unknown,
            observer: Observer::Here,
            is_reported: false,
        });
        let instance = id(raw);
        InstanceEvent { instance, kind }
    }

    #[tokio::test(start_paused = true)]
    async fn a_departure_and_a_return_are_written_at_once_and_a_silence_only_to_a_shared_store() {
        let (feed, mut own) = broadcast::channel(16);
        let mut shared = feed.subscribe();
        for event in [
            changed(1, State::Up, State::Silent),
            changed(2, State::Silent, State::Up),
            changed(3, State::Silent, State::Down),
            changed(4, State::Down, State::Up),
            changed(5, State::Up, State::Left),
            changed(6, State::Left, State::Up),
        ] {
            feed.send(event).unwrap();
        }
        let ids = |ids: std::ops::RangeInclusive<i32>| ids.map(id).collect::<BTreeSet<_>>();
        assert_eq!(gather(&mut own, false).await, ids(4..=6));
        assert_eq!(gather(&mut shared, true).await, ids(1..=6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fleet_that_returns_at_once_costs_no_more_writes_than_the_feed_holds() {
        let (feed, mut changes) = broadcast::channel(16);
        feed.send(changed(1, State::Down, State::Up)).unwrap();
        let overflow = async {
            sleep(GATHER / 2).await;
            for raw in 2..=1_000 {
                feed.send(changed(raw, State::Down, State::Up)).unwrap();
            }
        };
        let (gathered, ()) = tokio::join!(gather(&mut changes, false), overflow);
        assert_eq!(
            gathered.len(),
            1 + 16,
            "the first one and what the feed holds"
        );
        assert!(changes.is_empty());
    }
}
