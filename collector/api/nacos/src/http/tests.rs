//! Calls as clients make them, against a catalog in memory.

use std::net::Ipv4Addr;

use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use rollcall_catalog::{Config, NoEvents, store::Memory, testing::Running};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;

mod access;
mod complaints;
mod hostile;
mod overrides;
mod rights;
mod settings;
mod shares;
mod subscribers;
mod v1;

/// A face over an empty catalog.
struct Server {
    /// The workers of the catalog stop when it is dropped.
    running: Running,
    router: Router,
}

/// An answer.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    kind: String,
    text: String,
}

const JAVA: (&str, &str) = ("user-agent", "Nacos-Java-Client:v1.4.2");

impl Server {
    fn start() -> Self {
        Self::with(Auth::off())
    }

    fn with(auth: Auth) -> Self {
        Self::on(Memory::default(), Config::default(), auth)
    }

    /// A face over the contents of a store.
    fn on(store: Memory, config: Config, auth: Auth) -> Self {
        let running = Running::with(config, store, Arc::new(NoEvents));
        let router = Self::router(&running.catalog, auth, Ipv4Addr::LOCALHOST);
        Self { running, router }
    }

    /// The face for the calls of a peer.
    fn router(catalog: &Catalog, auth: Auth, peer: Ipv4Addr) -> Router {
        let settings = Settings {
            context_path: "/nacos".to_owned(),
            max_body_size: 64 << 10,
            max_metadata: 8 << 10,
            host: "127.0.0.1".to_owned(),
            port: 8848,
        };
        let push = Push::new(catalog.clone(), None);
        let peer = move || Some(peer.into());
        let metrics = Metrics::new(&rollcall_metrics::Metrics::new());
        router(catalog.clone(), auth, push, metrics, settings, peer)
    }

    /// Sends `METHOD /path?query` as curl does.
    async fn call(&self, call: &str) -> Answered {
        self.send(call, "", &[]).await
    }

    /// Sends the call as Java's client does.
    async fn java(&self, call: &str) -> Answered {
        self.send(call, "", &[JAVA]).await
    }

    /// Sends the call with a form.
    async fn form(&self, call: &str, form: &str) -> Answered {
        self.send(call, form, &[]).await
    }

    async fn send(&self, call: &str, form: &str, headers: &[(&str, &str)]) -> Answered {
        let mut headers = headers.to_vec();
        if !form.is_empty() {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        self.typed(call, form, &headers).await
    }

    /// Sends the call with exactly these headers.
    async fn typed(&self, call: &str, form: &str, headers: &[(&str, &str)]) -> Answered {
        let (method, path) = call.split_once(' ').unwrap();
        let path = path
            .replace(' ', "%20")
            .replace('"', "%22")
            .replace('{', "%7B")
            .replace('}', "%7D");
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("/nacos{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let kind = response.headers().get("content-type");
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answered { status, kind, text }
    }

    async fn ok(&self, call: &str) {
        self.call(call).await.is_ok();
    }
}

impl Answered {
    #[track_caller]
    fn is_ok(&self) {
        self.is(200, "ok");
    }

    #[track_caller]
    fn is(&self, status: u16, text: &str) {
        assert_eq!((self.status.as_u16(), &*self.text), (status, text));
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.kind, "application/json", "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// `ip:port` of each host of a list.
    #[track_caller]
    fn hosts(&self) -> Vec<String> {
        let json = self.json();
        let hosts = json["hosts"].as_array().unwrap().iter();
        hosts
            .map(|host| format!("{}:{}", host["ip"].as_str().unwrap(), host["port"]))
            .collect()
    }
}
