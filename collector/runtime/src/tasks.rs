//! Supervision of named tasks.
//!
//! No task runs detached: every loop and every thread belongs to a [`TaskSet`], which knows its name. When it ends, the set applies
//! the [`Policy`] with which it was spawned. A shutdown waits for all of them, or names those that are still running. A panic is an
//! error like any other.
//!
//! Stages that stop in order (listeners first, then loops, then the store) are one set each, created with [`TaskSet::stage`].
//! All of them report a failure to the same place.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

mod still_running;
#[cfg(test)]
mod tests;

pub use still_running::StillRunning;

/// The effects of a task's failure and of a shutdown.
///
/// The default is strict: an error stops the process, and shutdown waits for the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The effect of an error or a panic of this task.
    pub on_error: OnError,
    /// The effect of shutdown on this task.
    pub on_cancel: OnCancel,
}

/// The effect of an error or a panic of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// [`TaskSet::failed`] reports it, and the process must stop.
    #[default]
    Stop,
    /// It is logged, and the other tasks continue.
    Log,
}

/// The effect of shutdown on a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCancel {
    /// The task sees its token cancelled and ends by itself.
    #[default]
    Wait,
    /// The task is dropped at its next await.
    Abort,
}

/// The name of a task, as logs and [`StillRunning`] show it.
pub type Name = Cow<'static, str>;

/// A set of named tasks and threads that stop together. Cheap to clone; clones are the same set.
#[derive(Clone, Debug)]
pub struct TaskSet {
    cancel: CancellationToken,
    tracker: TaskTracker,
    alive: Arc<Mutex<Alive>>,
    failure: Arc<watch::Sender<Option<Failure>>>,
}

#[derive(Debug, Default)]
struct Alive {
    next: u64,
    names: BTreeMap<u64, Name>,
}

/// The failure of a task that must stop the process: the task and the cause.
#[derive(Clone, Debug)]
pub struct Failure {
    task: Name,
    cause: Arc<dyn Error + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
struct Panicked(String);

// === impl TaskSet ===

impl TaskSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cancel: CancellationToken::new(),
            tracker: TaskTracker::new(),
            alive: Arc::default(),
            failure: Arc::new(watch::Sender::new(None)),
        }
    }

    /// A set with a `shutdown` of its own. Its failures are also reported by this set, and cancelling this set cancels the stage.
    #[must_use]
    pub fn stage(&self) -> Self {
        Self {
            cancel: self.cancel.child_token(),
            tracker: TaskTracker::new(),
            alive: Arc::default(),
            failure: Arc::clone(&self.failure),
        }
    }

    /// The token that is cancelled when this set must stop. Pass it to every task spawned with [`OnCancel::Wait`].
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Runs `future` under `name` until it ends. `policy` defines the effect of its failure and of a shutdown.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F, E>(&self, name: impl Into<Name>, policy: Policy, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let member = self.enter(name.into(), policy.on_error);
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            let future = caught(future);
            let result = match policy.on_cancel {
                OnCancel::Wait => future.await,
                OnCancel::Abort => cancel.run_until_cancelled(future).await.unwrap_or(Ok(())),
            };
            member.leave(result);
        });
    }

    /// Runs `body` on a thread of its own with the name `name`. It must end by itself once [`TaskSet::token`] is cancelled or, if
    /// it serves a queue, once the queue is closed.
    ///
    /// # Errors
    /// The system refused to start a thread.
    pub fn spawn_thread<F, E>(
        &self,
        name: impl Into<Name>,
        on_error: OnError,
        body: F,
    ) -> std::io::Result<()>
    where
        F: FnOnce() -> Result<(), E> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let name = name.into();
        let tracked = self.tracker.token();
        let member = self.enter(name.clone(), on_error);
        std::thread::Builder::new()
            .name(name.into_owned())
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(body));
                member.leave(flatten(result));
                drop(tracked);
            })?;
        Ok(())
    }

    /// Waits for the first failure of a [`OnError::Stop`] task, in this set or in one that shares its failures. Stays pending if
    /// there is none.
    pub async fn failed(&self) -> Failure {
        let mut failures = self.failure.subscribe();
        let first = match failures.wait_for(Option::is_some).await {
            Ok(first) => first.clone(),
            Err(_closed) => None, // unreachable: `self` holds the sender
        };
        match first {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// The first failure so far of a [`OnError::Stop`] task, in this set or in one that shares its failures.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// Cancels the token and waits until every task and thread of this set has ended, including tasks spawned meanwhile.
    ///
    /// # Errors
    /// The names of the tasks that are still running at `deadline`. They keep running.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), StillRunning> {
        self.cancel.cancel();
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait())
            .await
            .is_ok()
        {
            return Ok(());
        }
        let names: Vec<Name> = self.alive.lock().names.values().cloned().collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(StillRunning { names })
        }
    }

    fn enter(&self, name: Name, on_error: OnError) -> Member {
        let mut alive = self.alive.lock();
        let key = alive.next;
        alive.next += 1;
        alive.names.insert(key, name.clone());
        drop(alive);
        Member {
            key,
            name,
            on_error,
            alive: Arc::clone(&self.alive),
            failure: Arc::clone(&self.failure),
        }
    }
}

impl Default for TaskSet {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Failure ===

impl Failure {
    /// The task that failed.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} failed", self.task)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

// === impl Member ===

/// The membership of a task in its set, which ends with the task.
#[derive(Debug)]
struct Member {
    key: u64,
    name: Name,
    on_error: OnError,
    alive: Arc<Mutex<Alive>>,
    failure: Arc<watch::Sender<Option<Failure>>>,
}

impl Member {
    fn leave(self, result: Result<(), Box<dyn Error + Send + Sync>>) {
        let cause = match result {
            Ok(()) => return debug!(task = %self.name, "task ended"),
            Err(cause) => cause,
        };
        match self.on_error {
            OnError::Log => {
                error!(task = %self.name, error = &*cause, "task failed, other tasks continue")
            }
            OnError::Stop => {
                let failure = Failure {
                    task: self.name.clone(),
                    cause: Arc::from(cause),
                };
                self.failure.send_if_modified(|first| {
                    let is_first = first.is_none();
                    first.get_or_insert(failure);
                    is_first
                });
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.alive.lock().names.remove(&self.key);
    }
}

// === panics are errors ===

/// Polls `future` and turns a panic into an error.
async fn caught<F, E>(future: F) -> Result<(), Box<dyn Error + Send + Sync>>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut future = pin!(future);
    let result =
        poll_fn(
            |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => std::task::Poll::Ready(Err(panic)),
            },
        );
    flatten(result.await)
}

fn flatten<E>(
    result: Result<Result<(), E>, Box<dyn Any + Send>>,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    match result {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => Err(Box::new(Panicked(panic_message(&*panic).to_owned()))),
    }
}

/// The message of a panic.
#[must_use]
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
