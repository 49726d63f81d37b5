//! A client of the JSON query API, which uses the API as an operator's script does.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::http;

/// A named program.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Application {
    /// Its id.
    pub id: i32,
    /// Its code; `None` if it was adopted and no agent has reported the code.
    pub code: Option<String>,
    /// The number of its instances by state.
    pub instances: Counts,
}

/// Instances by state.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct Counts {
    /// Seen recently.
    pub up: u64,
    /// Not seen for the first term.
    pub silent: u64,
    /// Not seen for the second term.
    pub down: u64,
    /// Stopped as planned; 0 from a collector without this count.
    #[serde(default)]
    pub left: u64,
}

/// The state of an instance.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Seen recently.
    Up,
    /// Not seen for the first term.
    Silent,
    /// Not seen for the second term.
    Down,
    /// Stopped as planned.
    Left,
}

/// An instance: one process of an application.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Instance {
    /// Its id.
    pub id: i32,
    /// Its application; `None` if the instance was adopted and no agent has reported the application.
    pub application_id: Option<i32>,
    /// Its agent's identifier; `None` if the instance was adopted.
    pub uuid: Option<String>,
    /// Its state.
    pub state: State,
    /// The time of the change to this state.
    pub since: Timestamp,
    /// Whether its id came from the agent instead of this collector's sequence.
    pub adopted: bool,
    /// The time of its first registration, as in RFC 3339.
    pub registered_at: Option<String>,
    /// The time of its last signal.
    pub last_seen_at: Timestamp,
    /// The generation of its agent.
    pub generation: Option<String>,
    /// The language of its agent, in the agent's spelling.
    pub language: Option<String>,
    /// The reported properties of its process.
    pub properties: Map<String, Value>,
    /// The reason for the state.
    pub why: Why,
}

/// The reason why an instance is in its state.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Why {
    /// The explanation as a sentence.
    pub sentence: String,
    /// Whether the current run of this collector received the last signal.
    #[serde(default)]
    pub observed_here: bool,
    /// The end of the connection on which the last signal arrived.
    #[serde(default)]
    pub connection: Option<Connection>,
}

/// The end of a connection.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Connection {
    /// The time at which it ended.
    pub closed_at: Timestamp,
    /// The cause.
    pub cause: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// A client of the query API of one collector.
#[derive(Clone, Debug)]
pub struct Client {
    http: http::Client,
}

impl Client {
    /// The query API on this `ui` listener.
    pub fn new(ui: SocketAddr) -> Self {
        Self {
            http: http::Client::new(ui),
        }
    }

    /// Every application, over all pages.
    ///
    /// # Errors
    /// When the collector does not answer 200.
    pub async fn applications(&self) -> Result<Vec<Application>, String> {
        self.list("/api/applications").await
    }

    /// Every instance of an application, over all pages.
    ///
    /// # Errors
    /// When the collector does not answer 200.
    pub async fn instances(&self, application: i32) -> Result<Vec<Instance>, String> {
        self.list(&format!("/api/applications/{application}/instances"))
            .await
    }

    /// Every instance of an application in one of these states (`down,left`), over all pages.
    ///
    /// # Errors
    /// When the collector does not answer 200.
    pub async fn instances_in(
        &self,
        application: i32,
        states: &str,
    ) -> Result<Vec<Instance>, String> {
        let path = format!("/api/applications/{application}/instances");
        self.list_with(&path, &format!("&state={states}")).await
    }

    /// One instance.
    ///
    /// # Errors
    /// When the collector does not answer 200.
    pub async fn instance(&self, id: i32) -> Result<Instance, String> {
        self.get(&format!("/api/instances/{id}")).await
    }

    /// The value of a series, such as `rollcall_members{state="serving"}`, among the metrics.
    ///
    /// # Errors
    /// When the collector does not answer 200, or has no such series.
    pub async fn metric(&self, series: &str) -> Result<u64, String> {
        let reply = self.http.get("/metrics").await?;
        let text = reply.text();
        let value = |line: &str| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned());
        let value = text.lines().find_map(value);
        let value = value.ok_or_else(|| format!("no {series}: {} {text}", reply.status))?;
        let whole = value.strip_suffix(".0").unwrap_or(&value).parse();
        whole.map_err(|_| format!("{series} is {value}"))
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, String> {
        self.list_with(path, "").await
    }

    async fn list_with<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &str,
    ) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page: Page<T> = self
                .get(&format!("{path}?limit=1000{cursor}{parameters}"))
                .await?;
            items.extend(page.items);
            match page.next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let reply = self.http.get(path).await?;
        if reply.status != 200 {
            return Err(format!("{path}: {} {}", reply.status, reply.text()));
        }
        Ok(reply.json())
    }
}
