//! Runs the handlers of pages, lists, the event feed and scrapes on a runtime of their own, whose threads have a lower priority
//! than those that serve agents. The connection, with its limits and time-outs, stays on the runtime of the calls.
//!
//! A change by an operator does not run there: it takes locks that calls of agents need, and at a low priority it could hold them
//! for long.

use std::panic::resume_unwind;

use axum::{
    body::{Body, HttpBody as _},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::stopping;

#[cfg(test)]
mod tests;

/// Handles a request that changes nothing on `runtime`. If the client disconnects, the handler is also dropped there.
pub(super) async fn run(State(runtime): State<Handle>, request: Request, next: Next) -> Response {
    if !request.method().is_safe() {
        return next.run(request).await;
    }
    let handler = rollcall_link::carried(next.run(request));
    let handler = AbortOnDropHandle::new(runtime.spawn(handler));
    match handler.await {
        // A body of a known size is complete in memory. Only the event feed has parts that are still to be written.
        Ok(response) if response.body().size_hint().exact().is_some() => response,
        Ok(response) => response.map(|body| moved(runtime, body)),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_stopped) => stopping().into_response(),
        },
    }
}

/// A body whose parts are written on `runtime`, each part when the client reads it.
fn moved(runtime: Handle, body: Body) -> Body {
    let parts = stream::unfold(body.into_data_stream(), move |mut parts| {
        let writing = runtime.spawn(async move { (parts.next().await, parts) });
        let writing = AbortOnDropHandle::new(writing);
        async move {
            match writing.await {
                Ok((part, parts)) => Some((part?, parts)),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_stopped) => None,
                },
            }
        }
    });
    Body::from_stream(parts)
}
