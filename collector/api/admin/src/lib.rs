//! What people and their tools ask: probes, metrics, who is there, and what happens, all `GET`.
//!
//! The query API answers JSON in snake_case. Times are RFC 3339 in UTC with milliseconds; what is not known is `null`.
//! Lists take `limit` (100 by default, 1000 at most) and `cursor`, and answer `{"items": [...], "next": ...}`, where `next` is
//! the `cursor` of the rest, or `null` at the end. A page that reaches its size in bytes ends before `limit` ([`Pages`]). What
//! agents sent is data: it is answered as JSON only.

use std::{fmt::Display, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::{Next, from_fn, map_response},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use rollcall_server::{
    Room,
    face::{Names, Refusal, host, wrong_method},
};
use rollcall_service::Services;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

mod events;
mod graphql;
mod list;
mod page;
mod parameters;
mod probes;
mod query;
mod starting;
mod view;

use page::Page;
pub use page::Pages;
pub use starting::router as starting;

/// What clients may ask of this face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Subscribers of `/api/events` at a time; one more is refused with 503.
    pub max_event_subscribers: usize,
    /// Lists of the query API that are read at a time; one more request waits for its turn.
    pub max_concurrent_lists: usize,
}

impl Default for Limits {
    /// 64 subscribers; 4 lists.
    fn default() -> Self {
        Self {
            max_event_subscribers: 64,
            max_concurrent_lists: 4,
        }
    }
}

/// What the handlers share.
#[derive(Debug)]
struct Face {
    services: Services,
    /// One permit for each list that may be read at a time.
    lists: Arc<Semaphore>,
    /// One permit for each subscriber of the event feed.
    subscribers: Arc<Semaphore>,
    /// Tells the events of this run from those of others: when it began, in milliseconds.
    run: i64,
    closing: CancellationToken,
    places: Places,
    pages: Pages,
}

/// The room for connections, as the probes show it.
#[derive(Clone, Debug)]
pub struct Places {
    /// What all listeners share.
    pub room: Room,
    /// The most standing connections of one listener.
    pub per_listener: usize,
}

/// The admin face, at the root. Event streams end when `closing` is cancelled, so that they do not hold up a drain.
/// Except for the probes, requests for a host that is none of `names` are refused with 403.
pub fn router(
    services: &Services,
    limits: &Limits,
    names: Names,
    places: Places,
    pages: Pages,
    closing: CancellationToken,
) -> Router {
    let face = Face {
        places,
        pages,
        services: services.clone(),
        lists: Arc::new(Semaphore::new(limits.max_concurrent_lists)),
        subscribers: Arc::new(Semaphore::new(limits.max_event_subscribers)),
        run: services.wall().millis(),
        closing,
    };
    let foreign = services.metrics.requests_refused("host");
    let check_host = move |request: Request, next: Next| {
        let refusal = named(&request, &names).err();
        if refusal.is_some() {
            foreign.inc();
        }
        async move {
            match refusal {
                Some(refusal) => refusal.into_response(),
                None => next.run(request).await,
            }
        }
    };
    Router::new()
        .route("/", get(index))
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .route("/metrics", get(probes::metrics))
        .route("/api/applications", get(query::applications))
        .route("/api/applications/{id}", get(query::application))
        .route("/api/applications/{id}/instances", get(query::instances))
        .route("/api/instances", get(query::all_instances))
        .route("/api/instances/{id}", get(query::instance))
        .route("/api/members", get(query::members))
        .route("/api/events", get(events::stream))
        .route("/graphql", get(graphql::refuse).post(graphql::refuse))
        .route_layer(from_fn(check_host))
        // Load balancers call a probe what they like, and its answer has nothing of the agents.
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .method_not_allowed_fallback(wrong_method)
        .route_layer(map_response(secure))
        .with_state(Arc::new(face))
}

/// Whether a browser may read the answer: the host of the request is this collector. Anything else that leaves the host out
/// may, because browsers never do.
fn named(request: &Request, names: &Names) -> Result<(), Refusal> {
    let host = host(request).ok().flatten();
    match host {
        Some(host) if !names.include(&host) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "host",
            format_args!(
                "{} is not a name of this collector; to make it one, add it to ui.jetty.allowed_hosts",
                host.host()
            ),
        )),
        _ => Ok(()),
    }
}

async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
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
    /// Answers a list: `write` adds its items to the page, and returns where the list goes on after them.
    async fn read_page<C: Display>(
        &self,
        write: impl FnOnce(&Services, &mut Page) -> Result<Option<C>, Refusal> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let mut page = self.pages.begin();
        self.read_list(move |services| {
            let next = write(services, &mut page)?;
            page.end(next)
        })
        .await?
    }

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
