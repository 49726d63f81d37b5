//! The face for operators and their tools: probes, metrics, the query API, the event feed, the console, and the changes that
//! operators make.
//!
//! The query API returns JSON in snake_case. Times are RFC 3339 in UTC with milliseconds; unknown values are `null`. Lists take
//! `limit` (100 by default, 1000 at most) and `cursor`, and return `{"items": [...], "next": ...}`, where `next` is the `cursor` of
//! the next page, or `null` at the end. A page that reaches its size limit has fewer than `limit` items ([`Pages`]). Data from
//! agents is returned only as JSON.

#![warn(missing_docs)]

use std::{fmt::Display, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, DATE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rollcall_catalog::Catalog;
use rollcall_runtime::TaskSet;
use rollcall_server::{
    Room,
    face::{Credentials, Names, Refusal, host, wrong_method},
};
use rollcall_service::Services;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

mod background;
mod backup;
mod changes;
mod console;
mod date;
mod events;
mod graphql;
mod headroom;
mod history;
mod list;
mod operator;
mod overview;
mod page;
mod parameters;
mod probes;
mod query;
mod services;
mod starting;
mod timeline;
mod view;

use changes::Changes;
pub use headroom::{Figure, Gauge, Gauges, Headroom};
pub use history::{History, Sampler};
use page::Page;
pub use page::Pages;
pub use rollcall_service::backup::Backups;
pub use starting::router as starting;

/// The limits of this face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most subscribers of `/api/events`; further ones are refused with 503.
    pub max_event_subscribers: usize,
    /// The most lists of the query API that are read at the same time; further requests wait.
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
    /// The permit to encode the metrics. A scrape waits for the previous scrape, but not for lists.
    scrapes: Arc<Semaphore>,
    /// One permit for each subscriber of the event feed.
    subscribers: Arc<Semaphore>,
    /// The start of this run in milliseconds.
    run: i64,
    closing: CancellationToken,
    connection_limits: ConnectionLimits,
    pages: Pages,
    sources: Sources,
    max_event_subscribers: usize,
}

/// The sources of the console besides the use cases of agents.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `None` if the Nacos faces are off.
    pub catalog: Option<Catalog>,
    /// The samples of the last hour.
    pub history: History,
    /// The figures of the process and the machine.
    pub gauges: Gauges,
    /// Limits that the use cases do not provide.
    pub limits: Headroom,
    /// The runtime of pages, lists, the event feed and scrapes. Its threads have a lower priority than those that serve agents.
    pub background: Handle,
    /// `None` if the store is not on the local disk.
    pub backups: Option<Backups>,
}

/// The connection limits that the probes show.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// The limit that all listeners share.
    pub room: Room,
    /// The most standing connections of one listener.
    pub per_listener: usize,
}

/// The admin face, at the root. Event streams end when the token of `tasks` is cancelled, so that they do not delay a drain, and
/// changes of operators run in `tasks`. A request for a host that is not in `names` is refused with 403, and one without the
/// `credentials` with 401, except for the probes and for pages without data.
pub fn router(
    services: &Services,
    limits: &Limits,
    (names, credentials): (Names, Option<Credentials>),
    connection_limits: ConnectionLimits,
    pages: Pages,
    sources: Sources,
    tasks: &TaskSet,
) -> Router {
    let background = sources.background.clone();
    let face = Face {
        connection_limits,
        pages,
        sources,
        max_event_subscribers: limits.max_event_subscribers,
        services: services.clone(),
        lists: Arc::new(Semaphore::new(limits.max_concurrent_lists)),
        scrapes: Arc::new(Semaphore::new(1)),
        subscribers: Arc::new(Semaphore::new(limits.max_event_subscribers)),
        run: services.wall().millis(),
        closing: tasks.token(),
    };
    let changes = Changes::new(tasks);
    let change = move |request: Request, next: Next| changes.clone().handle(request, next);
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
    let guarded = routes_of_agents()
        .merge(routes_of_services())
        .route("/api/store/backup", post(backup::write))
        .route_layer(from_fn(change))
        .route("/metrics", get(probes::metrics))
        .route("/api/overview", get(overview::overview))
        .route("/api/history", get(history::history))
        .route("/api/naming", get(overview::naming))
        .route("/api/headroom", get(headroom::headroom))
        .route("/api/services/instances/timeline", get(timeline::service))
        .route("/api/members", get(query::members))
        .route("/api/events", get(events::stream))
        .route("/graphql", get(graphql::refuse).post(graphql::refuse))
        .route_layer(from_fn_with_state(background, background::run));
    let guarded = match credentials {
        Some(credentials) => {
            credentials.guard(guarded, services.metrics.requests_refused("authorization"))
        }
        None => guarded,
    };
    guarded
        // The console is a page without data, which prompts for the credentials itself.
        .merge(console::files())
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

fn routes_of_agents() -> Router<Arc<Face>> {
    Router::new()
        .route("/api/applications", get(query::applications))
        .route("/api/applications/{id}", get(query::application))
        .route("/api/applications/{id}/instances", get(query::instances))
        .route(
            "/api/instances",
            get(query::all_instances).delete(operator::forget_all),
        )
        .route(
            "/api/instances/{id}",
            get(query::instance).delete(operator::forget),
        )
        .route("/api/instances/{id}/timeline", get(timeline::instance))
}

fn routes_of_services() -> Router<Arc<Face>> {
    let overrides = post(services::set_override).delete(services::clear_override);
    let instances = get(services::instances).delete(services::deregister);
    Router::new()
        .route("/api/namespaces", get(services::namespaces))
        .route(
            "/api/services",
            get(services::services).delete(services::delete_service),
        )
        .route("/api/services/detail", get(services::detail))
        .route("/api/services/threshold", post(services::set_threshold))
        .route("/api/services/instances", instances)
        .route("/api/services/instances/override", overrides)
        .route("/api/services/subscribers", get(services::subscribers))
}

/// Forbids browsers to guess content types, run foreign scripts, load foreign resources, and cache the answer. Adds the time.
async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Some(date) = date::now() {
        headers.insert(DATE, date);
    }
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, console::POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The refusal of a call whose handler panicked.
fn failed() -> Refusal {
    let message = "this collector failed to answer: its log has the error";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
}

fn stopping() -> Refusal {
    Refusal::overloaded("this collector is stopping")
}

async fn permit(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    let permit = Arc::clone(permits).acquire_owned().await;
    permit.map_err(|tokio::sync::AcquireError { .. }| stopping())
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

    /// Runs `read`, which may visit very many entries, on a thread outside the runtime. The number of permits limits how many run
    /// at a time, even if clients disconnect.
    async fn read_list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Services) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = self.list_permit().await?;
        self.read_with(permit, read).await
    }

    /// The text of all metrics. Encoding it visits every application, so it runs on a thread outside the runtime, one scrape at a
    /// time.
    async fn exposition(&self) -> Result<String, Refusal> {
        let permit = permit(&self.scrapes).await?;
        self.read_with(permit, Services::exposition).await
    }

    async fn read_with<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        read: impl FnOnce(&Services) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let services = self.services.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&services)
        });
        reading.await.map_err(|error| {
            if error.is_panic() {
                tracing::error!(%error, "the answer of a request could not be read");
                return failed();
            }
            stopping()
        })
    }

    /// Waits for the right to read a list.
    async fn list_permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        permit(&self.lists).await
    }
}
