//! Instances and services as JSON, in the format of each generation.

use std::time::Duration;

use rollcall_domain::catalog::{DEFAULT_BEAT_INTERVAL, DEFAULT_GROUP, Host, Metadata, ServiceKey};
use serde::{Serialize, Serializer};

pub(crate) mod v1;
pub(crate) mod v2;

/// Terms of an instance, from its metadata, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) interval: u64,
    pub(crate) unhealthy_after: u64,
    pub(crate) removed_after: u64,
}

impl Terms {
    /// The terms from the metadata, or the defaults of Nacos's own server.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let beats = metadata.beats();
        let millis = |term: Duration| u64::try_from(term.as_millis()).unwrap_or(u64::MAX);
        Self {
            interval: millis(beats.interval.unwrap_or(DEFAULT_BEAT_INTERVAL)),
            unhealthy_after: millis(beats.unhealthy_after),
            removed_after: millis(beats.removed_after),
        }
    }
}

/// `group@@name`.
pub(crate) fn grouped(key: &ServiceKey) -> String {
    let (group, name) = (key.group(), key.name());
    let mut text = String::with_capacity(group.len() + name.len() + 2);
    text.push_str(group);
    text.push_str("@@");
    text.push_str(name);
    text
}

/// The id of an instance: the one that its client chose, or one built from its endpoint.
pub(crate) fn instance_id(host: &Host, grouped: &str) -> String {
    match &host.instance_id {
        Some(id) => id.to_string(),
        None => place_id(
            &host.endpoint.ip,
            host.endpoint.port,
            &host.endpoint.cluster,
            grouped,
        ),
    }
}

/// `ip#port#cluster#group@@name`.
pub(crate) fn place_id(ip: &str, port: u16, cluster: &str, grouped: &str) -> String {
    format!("{ip}#{port}#{cluster}#{grouped}")
}

/// Metadata as a JSON object whose values are strings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsMap<'a>(pub(crate) &'a Metadata);

impl Serialize for AsMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// Splits `group@@name` into the group and the name. Without `@@` the whole text is the name; the group is then the argument
/// `group`, or the default group if that is empty.
pub(crate) fn split<'a>(service: &'a str, group: &'a str) -> (&'a str, &'a str) {
    match service.split_once("@@") {
        Some((group, name)) => (group, name),
        None if group.is_empty() => (DEFAULT_GROUP, service),
        None => (group, service),
    }
}
