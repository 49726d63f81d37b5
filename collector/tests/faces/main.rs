//! Tests the HTTP faces for SkyWalking agents and the admin face from a client's view, merged on one listener: the query API shows
//! the registrations of agents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use rollcall_admin::{ConnectionLimits, Gauges, Headroom, History, Pages, Sources};
use rollcall_limits::Budget;
use rollcall_runtime::TaskSet;
use rollcall_server::{
    Room,
    face::{Names, Token, json, not_found},
};
use rollcall_service::testing::Fixture;
use rollcall_skywalking::http::{naming, registration};
use serde_json::Value;
use tokio::runtime::Handle;
use tower::ServiceExt;

mod feed;
mod lenient;
mod named;
mod pages;
mod query;
mod register;
mod token;
mod v2;
mod wire;

/// The largest page of a list, in bytes.
const MAX_PAGE: usize = 1 << 20;

/// All faces of a collector on a store in memory.
struct Collector {
    fixture: Fixture,
    router: Router,
    tasks: TaskSet,
    answers: Budget,
}

/// An answer.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

fn limits() -> json::Limits {
    json::Limits {
        max_body_size: 64 << 10,
        ..json::Limits::default()
    }
}

/// One subscriber of the event feed at a time.
fn admin_limits() -> rollcall_admin::Limits {
    rollcall_admin::Limits {
        max_event_subscribers: 1,
        ..rollcall_admin::Limits::default()
    }
}

fn connection_limits() -> ConnectionLimits {
    ConnectionLimits {
        room: Room::new(Some(9), 1, 1),
        per_listener: 1000,
    }
}

/// The sources of a console without a catalog, a history and figures of the process.
fn sources() -> Sources {
    Sources {
        catalog: None,
        history: History::default(),
        gauges: Gauges::new(Vec::new),
        limits: Headroom {
            assigned_ids: 1,
            adopted_ids: 1,
            register_queue: 1,
            register_deadline: Duration::from_secs(1),
        },
        background: Handle::current(),
        backups: None,
    }
}

impl Collector {
    fn start() -> Self {
        Self::on(Fixture::start())
    }

    fn on(fixture: Fixture) -> Self {
        Self::below(fixture, "/")
    }

    fn below(fixture: Fixture, context_path: &str) -> Self {
        Self::guarded(fixture, context_path, None)
    }

    fn guarded(fixture: Fixture, context_path: &str, token: Option<Token>) -> Self {
        let tasks = TaskSet::new();
        let answers = Budget::new("answers", 8 << 20);
        let pages = Pages {
            answers: answers.clone(),
            max_bytes: MAX_PAGE,
        };
        let services = &fixture.services;
        let router = naming(services, context_path)
            .merge(registration(services, &limits(), context_path, token))
            .merge(rollcall_admin::router(
                services,
                &admin_limits(),
                (Names::default(), None),
                connection_limits(),
                pages,
                sources(),
                &tasks,
            ))
            .fallback(not_found);
        Self {
            fixture,
            router,
            tasks,
            answers,
        }
    }

    async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(body.into())
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, Body::empty()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.call(Method::POST, path, body).await
    }

    /// The number of times that `call` ended in `outcome`.
    async fn counted(&self, call: &str, outcome: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let labels = format!(r#"{{protocol="http",call="{call}",outcome="{outcome}"}}"#);
        let text = metrics.text().to_owned();
        let line = text
            .lines()
            .find(|line| line.to_lowercase().contains(&labels.to_lowercase()));
        let count = line.and_then(|line| line.rsplit(' ').next());
        count
            .unwrap_or_else(|| panic!("{labels} in {text}"))
            .parse()
            .unwrap()
    }
}

impl Reply {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Checks the form of a refusal and returns the field that it names.
    fn refused(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            "application/json;charset=utf-8"
        );
        let mut body = self.json();
        let error = body["error"].take();
        assert!(!self.header("error-message").is_empty());
        assert!(!error["message"].as_str().unwrap().is_empty());
        error["field"].clone()
    }
}

#[tokio::test]
async fn unknown_paths_and_trailing_slashes_are_not_found() {
    let collector = Collector::start();
    for path in [
        "/nothing",
        "/agent/gRPC/",
        "/agent/grpc",
        "/api/",
        "/livez/",
    ] {
        assert_eq!(collector.get(path).await.refused(404), "path", "{path}");
    }
}

#[tokio::test]
async fn a_naming_path_lists_its_methods() {
    let collector = Collector::start();
    for path in [
        "/agent/gRPC",
        "/agent/jetty",
        "/ui/jetty",
        "/agentstream/grpc",
    ] {
        let reply = collector.call(Method::OPTIONS, path, "").await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, ""), "{path}");
        assert_eq!(reply.header("allow"), "GET,HEAD,OPTIONS", "{path}");
    }
}

#[tokio::test]
async fn the_refusal_of_a_wrong_method_names_the_right_one() {
    let collector = Collector::start();
    for (path, wrong, right) in [
        ("/agent/gRPC", Method::POST, "GET,HEAD,OPTIONS"),
        ("/ui/jetty", Method::PUT, "GET,HEAD,OPTIONS"),
        ("/application/register", Method::GET, "POST"),
        ("/segments", Method::DELETE, "POST"),
        ("/api/applications", Method::POST, "GET,HEAD"),
        ("/metrics", Method::PATCH, "GET,HEAD"),
    ] {
        let reply = collector.call(wrong, path, "[]").await;
        assert_eq!(reply.refused(405), "method", "{path}");
        assert_eq!(reply.header("allow"), right, "{path}");
    }
}

#[tokio::test]
async fn a_context_path_prefixes_naming_and_registration_only() {
    let collector = Collector::below(Fixture::start(), "/sky");
    assert_eq!(collector.get("/sky/agent/gRPC").await.status, 200);
    assert_eq!(collector.get("/agent/gRPC").await.status, 404);
    assert_eq!(
        collector
            .post("/sky/application/register", "[]")
            .await
            .text(),
        "[]"
    );
    assert_eq!(collector.get("/livez").await.status, 200);
}
