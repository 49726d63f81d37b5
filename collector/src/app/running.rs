//! A collector that runs, and how it stops.

use std::time::Duration;

use rollcall_cluster as cluster;
use rollcall_runtime::{Clock, Failure, StillRunning, TaskSet};
use rollcall_service::Services;

/// How long the loops and the writer may take to end once nobody asks them for anything.
const LAST_WRITES: Duration = Duration::from_secs(10);
/// How long the listeners may take beyond the grace to cut off who is still there.
const CUT_OFF: Duration = Duration::from_secs(1);
/// How long a stop waits, twice, for the other collectors to know of it: they lose it at the end of its lease anyway.
const TOLD: Duration = Duration::from_secs(2);

/// A collector that runs.
#[derive(Debug)]
pub struct Running {
    pub(super) clock: Clock,
    pub(super) services: Services,
    pub(super) session: cluster::Session,
    pub(super) everything: TaskSet,
    pub(super) membership: TaskSet,
    pub(super) serving: TaskSet,
    pub(super) loops: TaskSet,
    pub(super) writing: TaskSet,
    pub(super) watching: TaskSet,
    pub(super) catalog: Option<rollcall_catalog::Catalog>,
    pub(super) grace: Duration,
}

impl Running {
    /// The first failure of something that the collector cannot go on without. For ever, if there is none.
    pub async fn failed(&self) -> Failure {
        self.everything.failed().await
    }

    /// Stops in order: not ready and out of the naming lists, of the other collectors too; no new connections, and what is
    /// under way gets the configured grace to finish; no member any more; the loops end and write down what they know; the
    /// writer finishes its queue and the store is closed.
    ///
    /// Returns the first failure, of before the drain or of a listener that had to cut off requests at the end of the grace.
    ///
    /// # Errors
    /// Names what was still running when its time was up. The rest has stopped.
    pub async fn drain(self) -> Result<Option<Failure>, StillRunning> {
        let Self {
            services,
            clock,
            mut session,
            everything,
            membership,
            serving,
            loops,
            writing,
            watching,
            catalog,
            grace,
        } = self;
        if let Some(catalog) = catalog {
            catalog.drain();
        }
        services
            .readiness
            .unmet("draining", "the collector is stopping");
        session.drain(clock.wall(), TOLD).await;
        let served = serving.shutdown(grace + CUT_OFF).await;
        session.leave(TOLD).await;
        let left = membership.shutdown(LAST_WRITES).await;
        let looped = loops.shutdown(LAST_WRITES).await;
        services.register.stop();
        let wrote = writing.shutdown(LAST_WRITES).await;
        let watched = watching.shutdown(LAST_WRITES).await;
        served.and(left).and(looped).and(wrote).and(watched)?;
        Ok(everything.failure())
    }
}
