//! The parts of the query API's answers that are printed.

use jiff::Timestamp;
use rollcall_domain::inventory::Properties;
use rollcall_domain::properties;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Error;

/// An application.
#[derive(Debug, Deserialize)]
pub(super) struct Application {
    pub(super) id: i32,
    pub(super) label: String,
}

/// An instance.
#[derive(Debug, Deserialize)]
pub(super) struct Instance {
    pub(super) id: i32,
    pub(super) application_id: Option<i32>,
    pub(super) name: Option<String>,
    pub(super) state: String,
    pub(super) since: Time,
    pub(super) last_seen_at: Time,
    pub(super) generation: Option<String>,
    pub(super) language: Option<String>,
    pub(super) agent_version: Option<String>,
    pub(super) why: Why,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Why an instance is in its state.
#[derive(Debug, Deserialize)]
pub(super) struct Why {
    pub(super) sentence: String,
}

/// A collector.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) address: String,
    pub(super) state: String,
    pub(super) since: Time,
    pub(super) version: Option<String>,
    #[serde(rename = "self")]
    pub(super) is_self: bool,
    pub(super) owner: bool,
    pub(super) agent_grpc: Option<String>,
    pub(super) ui: Option<String>,
}

/// A time; `None` if this program cannot read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.parse().ok()))
    }
}

impl Instance {
    /// The host that its agent reported.
    pub(super) fn host(&self) -> Option<String> {
        properties::host(&self.reported()).map(str::to_owned)
    }

    /// The process id that its agent reported.
    pub(super) fn process_id(&self) -> Option<String> {
        properties::process_id(&self.reported()).map(str::to_owned)
    }

    /// The language and the version of its agent.
    pub(super) fn agent(&self) -> String {
        let version = self.agent_version.as_deref().or(self.generation.as_deref());
        let parts = [self.language.as_deref(), version];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The reported properties. A property that was reported several times is a list, of which the first value is used.
    fn reported(&self) -> Properties {
        let first = |value: &'_ Value| match value {
            Value::Array(values) => values.first().and_then(Value::as_str).map(str::to_owned),
            value => value.as_str().map(str::to_owned),
        };
        let pairs = self.properties.iter();
        pairs
            .filter_map(|(name, value)| Some((name, first(value)?)))
            .collect()
    }
}

/// Reads one object of an answer.
pub(super) fn read<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| {
        Error::Unanswered(format!(
            "the answer is not that of a Rollcall collector, or of a newer one: {error}"
        ))
    })
}
