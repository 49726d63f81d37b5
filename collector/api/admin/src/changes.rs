//! Runs changes by operators to their end.
//!
//! If a client disconnects, the server drops the handler of its call. A change must not happen without its record. So every request
//! that may change something is handled in a task of its own, which runs until the record is written, even if no client reads the
//! answer.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use rollcall_runtime::{OnCancel, OnError, Policy, TaskSet};
use rollcall_server::face::Refusal;
use tokio::sync::{Semaphore, oneshot};

use super::{failed, permit};

#[cfg(test)]
mod tests;

/// The most changes that run at the same time; further ones wait.
const MAX_RUNNING: usize = 64;

/// Runs changes. Clones share their limit.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    tasks: TaskSet,
    permits: Arc<Semaphore>,
}

impl Changes {
    /// Runs the changes in `tasks`, whose shutdown waits for them.
    pub(super) fn new(tasks: &TaskSet) -> Self {
        Self {
            tasks: tasks.clone(),
            permits: Arc::new(Semaphore::new(MAX_RUNNING)),
        }
    }

    /// Handles a request. A request that may change something is handled to its end even if the returned future is dropped.
    pub(super) async fn handle(self, request: Request, next: Next) -> Response {
        if request.method().is_safe() {
            return next.run(request).await;
        }
        match self.run(next.run(request)).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = permit(&self.permits).await?;
        let (answer, answered) = oneshot::channel();
        let change = rollcall_link::carried(async move {
            let _permit = permit;
            if answer.send(change.await).is_err() {
                tracing::debug!("the client of a change disconnected before the answer");
            }
            Ok::<_, Infallible>(())
        });
        let policy = Policy {
            on_error: OnError::Log,
            on_cancel: OnCancel::Wait,
        };
        self.tasks.spawn("change by an operator", policy, change);
        answered.await.map_err(|_panicked| failed())
    }
}
