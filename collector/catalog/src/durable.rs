//! Changes that are durable before they are acknowledged: planned, committed together, applied, answered.
//!
//! One task plans and applies all of them, so the data of a plan cannot change before it is applied.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    shared::Shared,
    store::{self, Store},
};

pub(crate) type Sender = mpsc::Sender<Job>;
pub(crate) type Receiver = mpsc::Receiver<Job>;

/// The most jobs in one commit.
const BATCH: usize = 256;

type Apply<T> = Box<dyn FnOnce(&Shared) -> Result<T, Error> + Send>;
/// Returns the rows to be undone if a durable change could not be applied.
type Finish = Box<dyn FnOnce(&Shared, Result<(), store::Error>) -> Vec<store::Change> + Send>;
type MakePlan = Box<dyn FnOnce(&Shared) -> Option<Planned> + Send>;

/// A change, and the items that it changes: two changes of the same item do not share a commit.
pub(crate) struct Job {
    touches: String,
    plan: MakePlan,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("touches", &self.touches)
            .finish_non_exhaustive()
    }
}

/// The rows that a change writes, and the action once they are durable.
pub(crate) struct Plan<T> {
    pub(crate) rows: Vec<store::Change>,
    pub(crate) apply: Apply<T>,
    undo: Vec<store::Change>,
}

struct Planned {
    rows: Vec<store::Change>,
    finish: Finish,
}

impl<T> Plan<T> {
    pub(crate) fn new(
        rows: Vec<store::Change>,
        apply: impl FnOnce(&Shared) -> Result<T, Error> + Send + 'static,
    ) -> Self {
        Self {
            rows,
            apply: Box::new(apply),
            undo: Vec::new(),
        }
    }

    /// Adds the row change that undoes the rows if the change cannot be applied, for instance because a limit is reached by then.
    pub(crate) fn undo(mut self, undo: store::Change) -> Self {
        self.undo.push(undo);
        self
    }
}

impl Shared {
    /// Makes a change durable, then applies it. `plan` returns the rows to write, based on the state at that time.
    pub(crate) async fn durably<T: Send + 'static>(
        &self,
        touches: String,
        plan: impl FnOnce(&Self) -> Result<Plan<T>, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let plan: MakePlan = Box::new(move |shared| match plan(shared) {
            Ok(plan) => Some(Planned {
                rows: plan.rows,
                finish: Box::new(move |shared, committed| {
                    let is_committed = committed.is_ok();
                    let result = committed
                        .map_err(Error::from)
                        .and_then(|()| (plan.apply)(shared));
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
        self.writes
            .try_send(Job { touches, plan })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy {
                    limit: self.config.write_queue,
                },
                mpsc::error::TrySendError::Closed(_) => Error::Stopped,
            })?;
        answer.await.unwrap_or(Err(Error::Stopped))
    }
}

fn send<T>(reply: oneshot::Sender<Result<T, Error>>, result: Result<T, Error>) {
    if reply.send(result).is_err() {
        tracing::debug!("the caller of a durable change no longer waits");
    }
}

/// Runs jobs until it is cancelled, and then the waiting ones.
pub(crate) async fn run(
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    mut jobs: Receiver,
    cancel: CancellationToken,
) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let job = tokio::select! {
                biased;
                job = jobs.recv() => job,
                () = cancel.cancelled() => {
                    jobs.close();
                    jobs.recv().await
                }
            };
            let Some(job) = job else { return };
            waiting.push_back(job);
        }
        while waiting.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push_back(job);
        }
        commit(&shared, &store, &mut waiting).await;
    }
}

/// Commits the first jobs that change different items.
async fn commit(shared: &Arc<Shared>, store: &Arc<dyn Store>, waiting: &mut VecDeque<Job>) {
    let mut touched = HashSet::new();
    let mut planned = Vec::new();
    let mut rows = Vec::new();
    while let Some(job) = waiting.pop_front() {
        if touched.contains(&job.touches) {
            waiting.push_front(job);
            break;
        }
        if let Some(plan) = (job.plan)(shared) {
            touched.insert(job.touches);
            rows.extend(plan.rows);
            planned.push(plan.finish);
        }
    }
    let committed = write(shared, store, rows).await;
    let mut undo = Vec::new();
    for finish in planned {
        undo.extend(finish(shared, committed.clone()));
    }
    if write(shared, store, undo).await.is_err() {
        tracing::error!(
            "catalog: a change that was refused stays in the store until the next start"
        );
    }
}

async fn write(
    shared: &Shared,
    store: &Arc<dyn Store>,
    rows: Vec<store::Change>,
) -> Result<(), store::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let store = Arc::clone(store);
    let commit = tokio::task::spawn_blocking(move || store.commit(&rows)).await;
    let committed = commit.unwrap_or_else(|error| Err(store::Error::Io(error.to_string())));
    committed.inspect_err(|error| {
        shared.failed_commits.fetch_add(1, Relaxed);
        tracing::error!(%error, "catalog: a commit failed, its changes are refused");
    })
}
