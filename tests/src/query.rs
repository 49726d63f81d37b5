//! The JSON query API, as an operator's script would use it.

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
    /// Its code; `None` when it was adopted and nobody has told the code yet.
    pub code: Option<String>,
    /// How many of its instances are in which state.
    pub instances: Counts,
}

/// Instances by state.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct Counts {
    /// Heard of lately.
    pub up: u64,
    /// Not heard of for the first term.
    pub silent: u64,
    /// Not heard of for the second term.
    pub down: u64,
    /// Stopped on purpose; 0 from a collector that does not tell.
    #[serde(default)]
    pub left: u64,
}

/// Whether an instance is alive, as far as the collector knows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Heard of lately.
    Up,
    /// Not heard of for the first term.
    Silent,
    /// Not heard of for the second term.
    Down,
    /// Stopped on purpose.
    Left,
}

/// One running process.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Instance {
    /// Its id.
    pub id: i32,
    /// The application it belongs to; `None` when it was adopted and nobody has told it yet.
    pub application_id: Option<i32>,
    /// What its agent calls itself; `None` when it was adopted.
    pub uuid: Option<String>,
    /// Whether it is alive.
    pub state: State,
    /// When it came into this state.
    pub since: Timestamp,
    /// Whether its id came from the agent, not from this collector's sequence.
    pub adopted: bool,
    /// RFC 3339.
    pub registered_at: Option<String>,
    /// When it was last heard of.
    pub last_seen_at: Timestamp,
    /// The generation of its agent.
    pub generation: Option<String>,
    /// What its agent is written for, as it spells it.
    pub language: Option<String>,
    /// What its agent says of its process.
    pub properties: Map<String, Value>,
    /// Why it is in its state.
    pub why: Why,
}

/// Why an instance is in its state.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Why {
    /// In words.
    pub sentence: String,
    /// Whether its last signal came to this run of this collector.
    #[serde(default)]
    pub observed_here: bool,
    /// The end of the connection that it came on.
    #[serde(default)]
    pub connection: Option<Connection>,
}

/// The end of a connection.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Connection {
    /// When it ended.
    pub closed_at: Timestamp,
    /// How.
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
