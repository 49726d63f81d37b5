//! The counts of the last hour, for the charts of the console.
//!
//! The history is in memory only: it begins with the start of the collector. Its size does not depend on the number of instances.
//! It has separate counts for the first [`MAX_APPLICATIONS`] applications in the order of their ids; the other applications are
//! only in the total.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::{extract::State, http::Uri, response::Response};
use parking_lot::Mutex;
use rollcall_catalog::Catalog;
use rollcall_domain::{ApplicationId, Timestamp, liveness::Tally};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::{Services, roster::ApplicationStatus};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Face, parameters::Parameters, view};

#[cfg(test)]
mod tests;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(30);
/// The samples that are kept: one hour.
const SAMPLES: usize = 120;
/// The most applications that have counts of their own.
const MAX_APPLICATIONS: usize = 1000;
/// The most applications that one request names.
const MAX_NAMED: usize = 100;

/// The counts of the last hour. Cheap to clone; clones are the same history.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Samples>>);

/// Adds a sample to a [`History`] at each interval.
#[derive(Debug)]
pub struct Sampler {
    history: History,
    services: Services,
    catalog: Option<Catalog>,
}

#[derive(Debug, Default)]
struct Samples {
    times: VecDeque<Timestamp>,
    agents: VecDeque<Counts>,
    /// Healthy and unhealthy instances of Nacos services.
    services: VecDeque<(u32, u32)>,
    /// By the id of the application; 0 for instances whose application is unknown. A series shorter than `times` began later.
    applications: BTreeMap<i32, VecDeque<Counts>>,
    /// The longest commit of the last interval.
    slowest_commit: Duration,
}

/// Instances by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    up: u32,
    silent: u32,
    down: u32,
    left: u32,
}

/// One sample.
struct Sample {
    at: Timestamp,
    agents: Counts,
    services: (u32, u32),
    applications: Vec<(i32, Counts)>,
    slowest_commit: Duration,
}

#[derive(Serialize)]
struct Shown {
    interval_ms: u64,
    times: Vec<String>,
    agents: Series,
    services: Health,
    applications: BTreeMap<i32, Series>,
}

/// Instances by state, for each time.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Series {
    up: Vec<u32>,
    silent: Vec<u32>,
    down: Vec<u32>,
    left: Vec<u32>,
}

#[derive(Serialize)]
struct Health {
    healthy: Vec<u32>,
    unhealthy: Vec<u32>,
}

/// `GET /api/history`: the counts of the last hour in total, and of the applications whose ids `applications` lists.
pub(super) async fn history(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["applications"])?;
    let named = parameters.get("applications").unwrap_or_default();
    let ids = named.split(',').filter(|id| !id.is_empty());
    let ids: Result<Vec<i32>, _> = ids.map(str::parse).collect();
    let ids = ids.ok().filter(|ids| ids.len() <= MAX_NAMED);
    let ids = ids.ok_or_else(|| {
        let allowed = format_args!("must be at most {MAX_NAMED} ids, separated by commas");
        Refusal::invalid("applications", allowed)
    })?;
    Ok(reply(&face.sources.history.shown(&ids)))
}

// === impl History ===

impl History {
    /// The longest commit of the last interval.
    pub(super) fn slowest_commit(&self) -> Duration {
        self.0.lock().slowest_commit
    }

    fn shown(&self, applications: &[i32]) -> Shown {
        let samples = self.0.lock();
        let length = samples.times.len();
        let (healthy, unhealthy) = samples.services.iter().copied().unzip();
        let series = applications.iter().filter_map(|id| {
            let counts = samples.applications.get(id)?;
            Some((*id, Series::of(counts, length)))
        });
        Shown {
            interval_ms: view::millis(INTERVAL),
            times: samples.times.iter().map(|at| view::time(*at)).collect(),
            agents: Series::of(&samples.agents, length),
            services: Health { healthy, unhealthy },
            applications: series.collect(),
        }
    }
}

// === impl Samples ===

impl Samples {
    fn add(&mut self, sample: Sample) {
        push(&mut self.times, sample.at);
        push(&mut self.agents, sample.agents);
        push(&mut self.services, sample.services);
        let sampled: HashMap<i32, Counts> = sample.applications.iter().copied().collect();
        for (id, series) in &mut self.applications {
            push(series, sampled.get(id).copied().unwrap_or_default());
        }
        for (id, counts) in sample.applications {
            let is_known = self.applications.contains_key(&id);
            let has_room = self.applications.len() < MAX_APPLICATIONS;
            if !is_known && has_room && counts != Counts::default() {
                push(self.applications.entry(id).or_default(), counts);
            }
        }
        // The series of an application without instances for an hour is removed and makes room for another application.
        self.applications
            .retain(|_, series| series.iter().any(|counts| *counts != Counts::default()));
        self.slowest_commit = sample.slowest_commit;
    }
}

fn push<T>(series: &mut VecDeque<T>, value: T) {
    if series.len() >= SAMPLES {
        series.pop_front();
    }
    series.push_back(value);
}

// === impl Series ===

impl Series {
    /// The last `length` counts, padded with zeros at the beginning.
    fn of(counts: &VecDeque<Counts>, length: usize) -> Self {
        let missing = length.saturating_sub(counts.len());
        let all = || {
            let before = std::iter::repeat_n(Counts::default(), missing);
            before.chain(counts.iter().copied())
        };
        Self {
            up: all().map(|counts| counts.up).collect(),
            silent: all().map(|counts| counts.silent).collect(),
            down: all().map(|counts| counts.down).collect(),
            left: all().map(|counts| counts.left).collect(),
        }
    }
}

// === impl Counts ===

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self {
            up: small(tally.up),
            silent: small(tally.silent),
            down: small(tally.down),
            left: small(tally.left),
        }
    }
}

/// The id of an application, 0 if none was reported, and its instances.
fn counted(status: &ApplicationStatus) -> (i32, Counts) {
    let id = status.application.as_ref().map_or(0, |row| row.id.get());
    (id, status.instances.into())
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

// === impl Sampler ===

impl Sampler {
    /// An empty history, and the sampler that fills it.
    #[must_use]
    pub fn new(services: Services, catalog: Option<Catalog>) -> (History, Self) {
        let history = History::default();
        let sampler = Self {
            history: history.clone(),
            services,
            catalog,
        };
        (history, sampler)
    }

    /// Adds samples until `stop` is cancelled, the first one at once.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {
                    let known = self.history.0.lock().applications.keys().copied().collect();
                    let sample = self.sample(known);
                    self.history.0.lock().add(sample);
                }
            }
        }
    }

    /// A sample of the first applications, and of those in `known` even if the list ends before them.
    fn sample(&self, known: BTreeSet<i32>) -> Sample {
        let roster = &self.services.roster;
        let counts = roster.counts();
        let listed = roster.applications(None, MAX_APPLICATIONS).items;
        let listed = listed.iter().map(counted);
        let mut applications: Vec<_> = listed.collect();
        let listed: BTreeSet<i32> = applications.iter().map(|(id, _)| *id).collect();
        let unlisted = known.difference(&listed);
        let unlisted = unlisted.filter_map(|id| roster.application(ApplicationId::new(*id)));
        applications.extend(unlisted.map(|status| counted(&status)));
        let registry = self.catalog.as_ref().map(|it| it.counts().registry);
        let services = registry.map_or((0, 0), |counts| {
            let all = counts.ephemeral + counts.persistent;
            let unhealthy = all.saturating_sub(counts.healthy);
            (small(counts.healthy), small(unhealthy))
        });
        Sample {
            at: self.services.wall(),
            agents: Counts {
                up: small(counts.up),
                silent: small(counts.silent),
                down: small(counts.down),
                left: small(counts.left),
            },
            services,
            applications,
            slowest_commit: self.services.metrics.take_slowest_commit(),
        }
    }
}
