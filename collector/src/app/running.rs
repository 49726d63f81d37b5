//! A running collector, and how it stops.

use std::time::Duration;

use rollcall_cluster as cluster;
use rollcall_runtime::{Clock, Failure, StillRunning, TaskSet};
use rollcall_service::Services;

/// The time limit for the writer to end after the last request, and for the loops to end after the last write-back, which has a
/// limit of its own.
const LAST_WRITES: Duration = Duration::from_secs(10);
/// The time that the listeners get after the grace to close the remaining connections.
const CUT_OFF: Duration = Duration::from_secs(1);
/// The longest wait of a stop for the coordinator to confirm an announcement. A stop makes two of them. Without a confirmation, the
/// other collectors remove the member when its lease ends.
const ANNOUNCED: Duration = Duration::from_secs(2);

/// A running collector.
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
    /// Waits for the first failure of a task that the collector needs. Stays pending if there is none.
    pub async fn failed(&self) -> Failure {
        self.everything.failed().await
    }

    /// Stops in this order:
    /// 1. The collector is not ready, and leaves the naming lists of all members.
    /// 2. The listeners accept no new connections. Requests in progress get the configured grace to finish.
    /// 3. The collector leaves the cluster.
    /// 4. The loops end, with a last write-back.
    /// 5. The writer finishes its queue, and the store is closed.
    ///
    /// Returns the first failure, if any: a failure before the drain, or a listener that cut off requests at the end of the grace.
    ///
    /// # Errors
    /// Returns the tasks that were still running at the end of their time limit. All others have stopped.
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
        services.stopping();
        services
            .readiness
            .unmet("draining", "the collector is stopping");
        session.drain(clock.wall(), ANNOUNCED).await;
        let served = serving.shutdown(grace + CUT_OFF).await;
        session.leave(ANNOUNCED).await;
        let left = membership.shutdown(LAST_WRITES).await;
        let looped = loops
            .shutdown(services.last_write_back() + LAST_WRITES)
            .await;
        services.leave_memory();
        services.register.stop();
        services.events.stopped(clock.wall());
        let wrote = writing.shutdown(LAST_WRITES).await;
        let watched = watching.shutdown(LAST_WRITES).await;
        StillRunning::all([served, left, looped, wrote, watched])?;
        Ok(everything.failure())
    }
}
