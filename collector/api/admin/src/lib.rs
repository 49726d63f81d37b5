//! The face for operators and their tools: probes, metrics, the query API and the event feed, all `GET`.
//!
//! The query API returns JSON in snake_case. Times are RFC 3339 in UTC with milliseconds; unknown values are `null`. Lists take
//! `limit` (100 by default, 1000 at most) and `cursor`, and return `{"items": [...], "next": ...}`, where `next` is the `cursor`
//! of the next page, or `null` at the end. A page that reaches its size limit ends before `limit` ([`Pages`]). Data from agents
//! is returned as JSON only.

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

/// The limits of this face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most subscribers of `/api/events`; one more is refused with 503.
    pub max_event_subscribers: usize,
    /// The most lists of the query API that are read at the same time; one more request waits.
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

/// The shared state of the handlers.
#[derive(Debug)]
struct Face {
    services: Services,
    /// One permit per list that is read at the same time.
    lists: Arc<Semaphore>,
    /// One permit for each subscriber of the event feed.
    subscribers: Arc<Semaphore>,
    /// The start of this run in milliseconds, which distinguishes its events from those of other runs.
    run: i64,
    closing: CancellationToken,
    places: Places,
    pages: Pages,
}

/// The connection limits that the probes show.
#[derive(Clone, Debug)]
pub struct Places {
    /// The limit that all listeners share.
    pub room: Room,
    /// The most standing connections of one listener.
    pub per_listener: usize,
}

/// The admin face, at the root. Event streams end when `closing` is cancelled, so that they do not delay a drain. A request for
/// a host that is not in `names` is refused with 403, except for the probes.
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
        // Load balancers use any host name, and the probes show no data of agents.
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .method_not_allowed_fallback(wrong_method)
        .route_layer(map_response(secure))
        .with_state(Arc::new(face))
}

/// Refuses a request whose host is not a name of this collector, so that a foreign page cannot read the answer in a browser. A
/// request without a host is allowed, because browsers always send one.
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

/// Forbids browsers to guess types, run scripts, load other resources, and cache the answer.
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
    /// Returns a page of a list: `write` adds the items and returns the cursor after them.
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

    /// Runs `read`, which may visit very many entries, off the runtime's threads. At most as many run at a time as there are
    /// permits, even if clients disconnect.
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
