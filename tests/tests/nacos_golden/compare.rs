//! Compares a recorded answer with the collector's answer.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Keys whose values are times, counters, load figures, tokens, or properties of the machine that made the recording.
const VOLATILE: [&str; 29] = [
    "abilities",
    "accessToken",
    "address",
    "checksum",
    "clientId",
    "connectionId",
    "cpu",
    "extendInfo",
    "failAccessCnt",
    "heartbeatDueMs",
    "lastBeat",
    "lastBeatTime",
    "lastModified",
    "lastRefTime",
    "lastRefreshTime",
    "lastUpdatedTime",
    "leaderDueMs",
    "load",
    "mem",
    "metaDataMap",
    "raftMetaData",
    "raftPort",
    "requestId",
    "state_ts",
    "term",
    "timestamp",
    "token",
    "tokenTtl",
    "version",
];

/// One place where two answers differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Difference {
    /// The path of a JSON value, such as `/hosts/10.0.0.1:80/weight`; or `status`, `type` (the media type) or `body`.
    pub(crate) field: String,
    /// The recorded value.
    pub(crate) theirs: String,
    /// The collector's value.
    pub(crate) ours: String,
}

/// An answer with its volatile values replaced, ready to be compared.
pub(crate) fn normalise(value: Value) -> Value {
    match value {
        Value::Object(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let value = if VOLATILE.contains(&key.as_str()) && !value.is_null() {
                        Value::from("volatile")
                    } else {
                        normalise(value)
                    };
                    (key, value)
                })
                .collect(),
        ),
        Value::Array(items) => by_name(items.into_iter().map(normalise).collect()),
        other => other,
    }
}

/// Turns a list of instances, services or texts into a map by address, key or text, because the order of the list has no meaning.
/// Other lists stay unchanged.
fn by_name(items: Vec<Value>) -> Value {
    let names = items.iter().map(name).collect::<Option<Vec<_>>>();
    match names {
        Some(names) if !items.is_empty() => {
            let mut named = Map::new();
            for (mut name, item) in names.into_iter().zip(items) {
                while named.contains_key(&name) {
                    name.push('\'');
                }
                named.insert(name, item);
            }
            Value::Object(named)
        }
        _ => Value::Array(items),
    }
}

fn name(item: &Value) -> Option<String> {
    let text = |key: &str| item.get(key)?.as_str();
    if let Some(text) = item.as_str() {
        return Some(text.to_owned());
    }
    match (text("ip"), item.get("port")) {
        (Some(ip), Some(port)) => return Some(format!("{ip}:{port}")),
        _ if item.get("ip").is_some() => return None,
        _ => {}
    }
    let name = text("serviceKey")
        .or_else(|| text("serviceName"))
        .or_else(|| text("name"))?;
    Some(match text("groupName") {
        Some(group) => format!("{group}@@{name}"),
        None => name.to_owned(),
    })
}

/// The body of an answer: JSON if the body is an object or a list, and text otherwise. The collector's port is replaced by 8848,
/// the port of the recorded servers.
pub(crate) fn body(text: &str, port: u16) -> Value {
    let text = text.replace(&port.to_string(), "8848");
    match serde_json::from_str(&text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => normalise(value),
        _ => Value::from(text),
    }
}

/// Adds to `found` every place below `path` where `ours` differs from `theirs`, including missing places.
pub(crate) fn differences(
    path: &str,
    theirs: Option<&Value>,
    ours: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    match (theirs, ours) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let keys = theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>();
            for key in keys {
                let below = format!("{path}/{key}");
                differences(&below, theirs.get(key), ours.get(key), found);
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours))) => {
            for index in 0..theirs.len().max(ours.len()) {
                let below = format!("{path}/{index}");
                differences(&below, theirs.get(index), ours.get(index), found);
            }
        }
        _ if theirs == ours => {}
        _ => {
            let field = if path.is_empty() { "body" } else { path };
            let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            found.push(Difference {
                field: field.to_owned(),
                theirs: text(theirs),
                ours: text(ours),
            });
        }
    }
}
