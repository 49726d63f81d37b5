//! What people and their tools ask: probes, metrics, who is there, and what happens, all `GET`.
//!
//! The query API answers JSON in snake_case. Times are RFC 3339 in UTC with milliseconds; what is not known is `null`.
//! Lists take `limit` (100 unless told, 1000 at the most) and `cursor`, and answer `{"items": [...], "next": ...}`, where
//! `next` is the `cursor` of the rest, or `null` at the end. What agents sent is data: it is answered as JSON only.

use std::sync::Arc;

use axum::{
    Router,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::map_response,
    response::{Html, Response},
    routing::get,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Limits, refusal, refusal::Refusal};
use crate::service::Services;

mod events;
mod list;
mod probes;
mod query;
mod view;

/// What the handlers share.
#[derive(Debug)]
struct Face {
    services: Services,
    /// One permit for each list that may be read at a time.
    lists: Arc<Semaphore>,
    /// One permit for each subscriber of the event feed.
    subscribers: Arc<Semaphore>,
    closing: CancellationToken,
}

/// The admin face, at the root. Event streams end when `closing` is cancelled, so that they do not hold up a drain.
pub fn router(services: &Services, limits: &Limits, closing: CancellationToken) -> Router {
    let face = Face {
        services: services.clone(),
        lists: Arc::new(Semaphore::new(limits.max_concurrent_lists)),
        subscribers: Arc::new(Semaphore::new(limits.max_event_subscribers)),
        closing,
    };
    Router::new()
        .route("/", get(index))
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .route("/api/applications", get(query::applications))
        .route("/api/applications/{id}", get(query::application))
        .route("/api/applications/{id}/instances", get(query::instances))
        .route("/api/instances/{id}", get(query::instance))
        .route("/api/members", get(query::members))
        .route("/api/events", get(events::stream))
        .method_not_allowed_fallback(refusal::wrong_method)
        .route_layer(map_response(secure))
        .with_state(Arc::new(face))
}

async fn index() -> Html<&'static str> {
    Html(include_str!("admin/index.html"))
}

/// Nothing is guessed, run or loaded from elsewhere, and nothing is kept: the next answer may be another one.
async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

// === impl Face ===

impl Face {
    /// Runs `read`, which may look at very many entries, away from the threads that serve everybody else; at most as many
    /// at a time as there are permits, also when clients give up waiting.
    async fn read_list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Services) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let stopping = || Refusal::overloaded("this collector is stopping");
        let permit = Arc::clone(&self.lists)
            .acquire_owned()
            .await
            .map_err(|tokio::sync::AcquireError { .. }| stopping())?;
        let services = self.services.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&services)
        });
        reading.await.map_err(|error| {
            tracing::error!(%error, "a list could not be read");
            stopping()
        })
    }
}
