//! Makes changes durable before they are acknowledged: plans them, commits them together, applies them, and answers the callers.
//!
//! One task plans and applies all changes of stored rows, so the stored state does not change between a plan and its application.
//! Between two commits, the same task applies the changes that other processes made in a shared store.
//!
//! The module knows neither the state nor the meaning of the rows. `S` is the state that plans read and to which changes apply.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    store::{self, Change, Stores},
};

/// The most jobs that share a commit.
const BATCH: usize = 256;
/// The pause after a shared store could not be read.
const PAUSE: Duration = Duration::from_secs(1);

type Apply<S, T> = Box<dyn FnOnce(&S) -> Result<T, Error> + Send>;
/// Returns the changes that roll the job back, if it is durable and could not be applied.
type Finish<S> = Box<dyn FnOnce(&S, Result<(), store::Error>) -> Vec<Change> + Send>;
type MakePlan<S> = Box<dyn FnOnce(&S) -> Option<Planned<S>> + Send>;

/// Applies changes of other processes.
pub(crate) type ApplyForeign<S> = fn(&S, Vec<Change>);

/// A job, with the name of the item that it changes. Two jobs that change the same item do not share a commit.
struct Job<S> {
    touches: String,
    plan: MakePlan<S>,
}

/// The rows that a change writes, and the function that applies the change once they are durable.
pub(crate) struct Plan<S, T> {
    pub(crate) rows: Vec<Change>,
    pub(crate) apply: Apply<S, T>,
    undo: Vec<Change>,
}

struct Planned<S> {
    rows: Vec<Change>,
    finish: Finish<S>,
}

/// The queue of jobs.
pub(crate) struct Queue<S> {
    jobs: mpsc::Sender<Job<S>>,
    limit: usize,
    failed: AtomicU64,
    /// Why the store refuses commits; `None` while it accepts them.
    problem: watch::Sender<Option<Arc<str>>>,
}

/// The worker that processes the jobs.
pub(crate) struct Worker<S> {
    jobs: mpsc::Receiver<Job<S>>,
    stores: Stores,
}

impl<S, T> Plan<S, T> {
    pub(crate) fn new(
        rows: Vec<Change>,
        apply: impl FnOnce(&S) -> Result<T, Error> + Send + 'static,
    ) -> Self {
        Self {
            rows,
            apply: Box::new(apply),
            undo: Vec::new(),
        }
    }

    /// The change that rolls the rows back if the durable change cannot be applied, because a limit was reached meanwhile.
    pub(crate) fn undo(mut self, undo: Change) -> Self {
        self.undo.push(undo);
        self
    }
}

/// A queue for at most `limit` jobs, and its worker.
pub(crate) fn queue<S>(limit: usize, stores: Stores) -> (Queue<S>, Worker<S>) {
    let (sender, jobs) = mpsc::channel(limit.max(1));
    let queue = Queue {
        jobs: sender,
        limit,
        failed: AtomicU64::new(0),
        problem: watch::Sender::default(),
    };
    (queue, Worker { jobs, stores })
}

impl<S: 'static> Queue<S> {
    /// Makes a change durable, then applies it. `plan` returns the rows to write, from the state at that time.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        touches: String,
        plan: impl FnOnce(&S) -> Result<Plan<S, T>, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let plan: MakePlan<S> = Box::new(move |state| match plan(state) {
            Ok(plan) => Some(Planned {
                rows: plan.rows,
                finish: Box::new(move |state, committed| {
                    let is_committed = committed.is_ok();
                    let result = committed
                        .map_err(Error::from)
                        .and_then(|()| (plan.apply)(state));
                    let is_half_done = is_committed && result.is_err();
                    send(reply, result);
                    if is_half_done { plan.undo } else { Vec::new() }
                }),
            }),
            Err(error) => {
                send(reply, Err(error));
                None
            }
        });
        self.jobs
            .try_send(Job { touches, plan })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy { limit: self.limit },
                mpsc::error::TrySendError::Closed(_) => Error::Stopped,
            })?;
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// The number of jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.limit.saturating_sub(self.jobs.capacity())
    }

    /// Why the store refuses commits, now and after every change; `None` while it accepts them.
    pub(crate) fn problem(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.problem.subscribe()
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.problem.borrow().is_some()
    }

    pub(crate) fn failing(&self, reason: String) {
        self.problem.send_replace(Some(reason.into()));
    }

    pub(crate) fn succeeded(&self) {
        self.problem
            .send_if_modified(|problem| problem.take().is_some());
    }

    /// The number of commits that failed since the start.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

fn send<T>(reply: oneshot::Sender<Result<T, Error>>, result: Result<T, Error>) {
    if reply.send(result).is_err() {
        tracing::debug!("the caller of a durable change no longer waits");
    }
}

impl<S: Send + Sync + 'static> Worker<S> {
    /// Processes jobs until cancelled, and then the jobs that still wait. `queue` returns the queue of this worker in a state.
    ///
    /// # Errors
    /// The file of the store was removed, renamed or replaced. The jobs that wait are refused.
    pub(crate) async fn run(
        mut self,
        state: Arc<S>,
        queue: fn(&S) -> &Queue<S>,
        foreign: ApplyForeign<S>,
        cancel: CancellationToken,
    ) -> Result<(), store::Error> {
        let stores = self.stores;
        let write = Write {
            queue: queue(&state),
            state: &state,
            stores: &stores,
            foreign,
        };
        let mut waiting = VecDeque::new();
        let mut is_stale = false;
        loop {
            if waiting.is_empty() {
                let job = tokio::select! {
                    biased;
                    job = self.jobs.recv() => job,
                    () = cancel.cancelled() => {
                        self.jobs.close();
                        self.jobs.recv().await
                    }
                    () = write.wait_for_foreign_changes(is_stale) => {
                        is_stale = !write.catch_up(is_stale).await;
                        continue;
                    }
                };
                let Some(job) = job else { return Ok(()) };
                waiting.push_back(job);
            }
            while waiting.len() < BATCH
                && let Ok(job) = self.jobs.try_recv()
            {
                waiting.push_back(job);
            }
            is_stale |= !write.next(&mut waiting).await?;
            if is_stale || write.has_foreign_changes().await {
                is_stale = !write.catch_up(is_stale).await;
            }
        }
    }
}

/// Writes to the store, and applies the changes of other processes in it.
struct Write<'a, S> {
    state: &'a Arc<S>,
    stores: &'a Stores,
    foreign: ApplyForeign<S>,
    queue: &'a Queue<S>,
}

impl<S: Send + Sync + 'static> Write<'_, S> {
    /// Completes when there are changes of other processes to apply. If the last attempt failed, completes after a pause.
    async fn wait_for_foreign_changes(&self, is_stale: bool) {
        if is_stale {
            sleep(PAUSE).await;
        } else {
            self.stores.durable.changed().await;
        }
    }

    /// Whether there are changes of other processes to apply now.
    async fn has_foreign_changes(&self) -> bool {
        tokio::select! {
            biased;
            () = self.stores.durable.changed() => true,
            () = ready(()) => false,
        }
    }

    /// Commits the first waiting jobs, up to one that changes the same item as an earlier one. Returns `false` if the store must be
    /// read before the next commit.
    ///
    /// # Errors
    /// The file of the store was removed, renamed or replaced.
    async fn next(&self, waiting: &mut VecDeque<Job<S>>) -> Result<bool, store::Error> {
        let mut touched = HashSet::new();
        let mut planned = Vec::new();
        let mut rows = Vec::new();
        while let Some(job) = waiting.pop_front() {
            if touched.contains(&job.touches) {
                waiting.push_front(job);
                break;
            }
            if let Some(plan) = (job.plan)(self.state) {
                touched.insert(job.touches);
                rows.extend(plan.rows);
                planned.push(plan.finish);
            }
        }
        let committed = self.commit(rows).await;
        let mut undo = Vec::new();
        for finish in planned {
            undo.extend(finish(self.state, committed.clone()));
        }
        if self.commit(undo).await.is_err() {
            tracing::error!(
                "catalog: a change that was refused stays in the store until the next start"
            );
        }
        match committed {
            Err(error @ store::Error::Moved(_)) => Err(error),
            committed => Ok(committed.is_ok() || !self.stores.durable.is_shared()),
        }
    }

    async fn commit(&self, rows: Vec<Change>) -> Result<(), store::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.stores.durable);
        let commit = tokio::task::spawn_blocking(move || store.commit(&rows)).await;
        let committed = commit.unwrap_or_else(|error| Err(store::Error::Io(error.to_string())));
        match &committed {
            Ok(()) => self.queue.succeeded(),
            Err(error) => {
                self.queue.failed.fetch_add(1, Relaxed);
                tracing::error!(%error, "catalog: a commit failed, its changes are refused");
                // The inventory is in the same shared store, and reports an outage.
                if !self.stores.durable.is_shared() {
                    self.queue.failing(format!(
                        "a change of the Nacos catalog cannot be stored ({error}): persistent instances and settings are refused; \
                         free space or repair the disk, and the collector accepts them again by itself"
                    ));
                }
            }
        }
        committed
    }

    /// Applies the changes of other processes, and any that a failed commit did write. Returns `false` if the store could not be
    /// read. `was_stale` is whether the last attempt failed too: only the first failure is logged.
    async fn catch_up(&self, was_stale: bool) -> bool {
        let store = Arc::clone(&self.stores.durable);
        let read = tokio::task::spawn_blocking(move || store.catch_up()).await;
        match read.unwrap_or_else(|error| Err(store::Error::Io(error.to_string()))) {
            Ok(changes) => {
                (self.foreign)(self.state, changes);
                if was_stale {
                    tracing::info!("catalog: the store answers again");
                }
                true
            }
            Err(error) => {
                if !was_stale {
                    tracing::warn!(%error, "catalog: the changes of other collectors could not be read, retrying");
                }
                false
            }
        }
    }
}

impl<S> fmt::Debug for Queue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
