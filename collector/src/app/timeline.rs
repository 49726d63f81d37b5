//! The events of a collector: opens their journal, and records the first event, the start.

use std::path::PathBuf;

use rollcall_domain::liveness::MassConfig;
use rollcall_runtime::{Clock, Policy, TaskSet};
use rollcall_service::{
    Services,
    events::{self, CollectorEvent, Feed, Recorder},
};
use tokio::task;

use super::never_fails;
use crate::config::{Config, StorageProvider, Timeline};

/// The number of events of each lane by which a reader may be behind without reading the journal.
const BACKLOG: usize = 1024;

/// The directory of the journal beside the store. It is created after the store.
pub(super) const DIRECTORY: &str = "events";

/// The conditions under which a mass silence is reported.
pub(super) fn mass(config: &Timeline) -> MassConfig {
    MassConfig {
        window: config.mass_window,
        instances: config.mass_instances,
        percent: config.mass_percent,
    }
}

/// Opens and reads the journal. If it cannot be used, the collector still starts, and keeps events in memory only.
pub(super) async fn open(config: &Config, clock: Clock) -> (Feed, Option<Recorder>) {
    let limits = events::Config {
        backlog: BACKLOG,
        per_peer: config.timeline.per_peer,
        per_instance: config.timeline.per_instance,
        memory: config.timeline.memory,
        journal_size: u64::try_from(config.timeline.journal_size).unwrap_or(u64::MAX),
    };
    let series = clock.wall().millis();
    let Some(directory) = directory(config) else {
        tracing::info!(
            "events are kept in memory only, because the store is not on the local disk: timeline.default.journal_path names a \
             directory for their journal"
        );
        return (Feed::new(&limits, series), None);
    };
    let in_memory = limits.clone();
    let open = move || {
        let opened = Feed::open(&limits, &directory, series);
        opened.inspect_err(|error| {
            tracing::warn!(%error, "events are kept in memory only and are lost at a restart");
        })
    };
    match task::spawn_blocking(open).await {
        Ok(Ok((feed, recorder))) => (feed, Some(recorder)),
        Ok(Err(_)) => (Feed::new(&in_memory, series), None),
        Err(error) => {
            tracing::error!(%error, "events are kept in memory only and are lost at a restart");
            (Feed::new(&in_memory, series), None)
        }
    }
}

/// The directory of the journal: the configured one, or one beside a local store. `None` if there is neither.
fn directory(config: &Config) -> Option<PathBuf> {
    let configured = &config.timeline.journal_path;
    if !configured.as_os_str().is_empty() {
        return Some(configured.clone());
    }
    match config.storage.provider {
        StorageProvider::Embedded => Some(config.storage.embedded.path.join(DIRECTORY)),
        StorageProvider::Etcd => None,
    }
}

/// Records the start, and starts the recorder.
pub(super) fn begin(recorder: Option<Recorder>, services: &Services, writing: &TaskSet) {
    let started = CollectorEvent::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        member: services.roster.members().own,
    };
    services.events.collector(services.wall(), started);
    if let Some(recorder) = recorder {
        let run = never_fails(recorder.run(writing.token()));
        writing.spawn("journal of events", Policy::default(), run);
    }
}
