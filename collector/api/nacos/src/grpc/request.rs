//! The JSON of requests.

use serde::Deserialize;

use super::json::{Flag, List, Number, Pairs, Present, Text, Whole};

#[cfg(test)]
mod tests;

/// The most instances of one message.
pub(super) const MAX_INSTANCES: usize = 10_000;
/// The most service keys that a fuzzy watcher may report as known.
pub(super) const MAX_RECEIVED: usize = 10_000;
/// The most metadata of an instance that is read, in bytes.
pub(super) const MAX_METADATA: usize = 64 << 10;

/// The fields of all naming requests; each uses some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NamingRequest<'a> {
    #[serde(borrow)]
    pub(super) namespace: Text<'a>,
    #[serde(borrow)]
    pub(super) group_name: Text<'a>,
    #[serde(borrow)]
    pub(super) service_name: Text<'a>,
    /// The change to make to the instance.
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
    #[serde(borrow)]
    pub(super) instance: Option<Instance<'a>>,
    #[serde(borrow)]
    pub(super) instances: List<Instance<'a>, MAX_INSTANCES>,
    /// The clusters that a query requests, separated by commas.
    #[serde(borrow)]
    pub(super) cluster: Text<'a>,
    healthy_only: Flag,
    /// The spelling of the Python client.
    health_only: Flag,
    pub(super) page_no: Whole,
    pub(super) page_size: Whole,
    pub(super) subscribe: Flag,
    /// The clusters that a subscription requests, separated by commas.
    #[serde(borrow)]
    pub(super) clusters: Text<'a>,
    #[serde(borrow)]
    pub(super) group_key_pattern: Text<'a>,
    #[serde(borrow)]
    pub(super) watch_type: Text<'a>,
    pub(super) initializing: Flag,
    #[serde(borrow)]
    pub(super) received_group_keys: List<Text<'a>, MAX_RECEIVED>,
}

/// An instance as a client sends it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Instance<'a> {
    #[serde(borrow)]
    pub(super) instance_id: Text<'a>,
    #[serde(borrow)]
    pub(super) ip: Text<'a>,
    pub(super) port: Whole,
    pub(super) weight: Number,
    pub(super) healthy: Flag,
    pub(super) enabled: Flag,
    #[serde(borrow)]
    pub(super) cluster_name: Text<'a>,
    #[serde(borrow)]
    pub(super) metadata: Pairs<'a, MAX_METADATA>,
}

/// The message that sets a connection up.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Setup<'a> {
    #[serde(borrow)]
    pub(super) client_version: Text<'a>,
    #[serde(borrow)]
    pub(super) tenant: Text<'a>,
    #[serde(borrow)]
    pub(super) labels: Option<Labels<'a>>,
    /// Present in the set-up of a client that waits for an acknowledgement.
    pub(super) ability_table: Present,
}

/// The labels of a connection that are used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels<'a> {
    #[serde(borrow)]
    pub(super) module: Text<'a>,
    #[serde(borrow, rename = "AppName")]
    pub(super) app: Text<'a>,
}

/// An acknowledgement.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Ack<'a> {
    #[serde(borrow)]
    request_id: Text<'a>,
    result_code: Whole,
}

impl<'a> NamingRequest<'a> {
    /// Reads a body. An empty body is a request without fields.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        read(body)
    }

    /// Whether only healthy instances are requested, in either spelling.
    pub(super) fn is_healthy_only(&self) -> bool {
        self.healthy_only.0.or(self.health_only.0).unwrap_or(false)
    }
}

impl NamingRequest<'_> {
    /// The most memory that reading a body of `body` bytes needs. `has_lists` is whether its lists are read.
    pub(super) fn cost(body: usize, has_lists: bool) -> usize {
        let texts = Self::texts_cost(body);
        if !has_lists {
            return texts;
        }
        // The shortest item is `{},`.
        let items = (body / 3).min(MAX_INSTANCES + MAX_RECEIVED);
        texts.saturating_add(items.saturating_mul(size_of::<Instance<'_>>()))
    }

    /// The most memory that this request, read from a body of `body` bytes, takes. If it has lists, this is much less than
    /// [`Self::cost`], which assumes the shortest items.
    pub(super) fn held(&self, body: usize) -> usize {
        let instances = self.instances.items.capacity() * size_of::<Instance<'_>>();
        let keys = self.received_group_keys.items.capacity() * size_of::<Text<'_>>();
        Self::texts_cost(body).saturating_add(instances + keys)
    }

    /// The most memory that the texts of a body need: each metadata entry takes at least five bytes and becomes
    /// two texts.
    fn texts_cost(body: usize) -> usize {
        body.saturating_mul(12)
    }

    /// This request with owned texts.
    pub(super) fn into_owned(self) -> NamingRequest<'static> {
        NamingRequest {
            namespace: self.namespace.into_owned(),
            group_name: self.group_name.into_owned(),
            service_name: self.service_name.into_owned(),
            r#type: self.r#type.into_owned(),
            instance: self.instance.map(Instance::into_owned),
            instances: self.instances.map(Instance::into_owned),
            cluster: self.cluster.into_owned(),
            healthy_only: self.healthy_only,
            health_only: self.health_only,
            page_no: self.page_no,
            page_size: self.page_size,
            subscribe: self.subscribe,
            clusters: self.clusters.into_owned(),
            group_key_pattern: self.group_key_pattern.into_owned(),
            watch_type: self.watch_type.into_owned(),
            initializing: self.initializing,
            received_group_keys: self.received_group_keys.map(Text::into_owned),
        }
    }
}

impl Instance<'_> {
    fn into_owned(self) -> Instance<'static> {
        Instance {
            instance_id: self.instance_id.into_owned(),
            ip: self.ip.into_owned(),
            cluster_name: self.cluster_name.into_owned(),
            metadata: self.metadata.into_owned(),
            port: self.port,
            weight: self.weight,
            healthy: self.healthy,
            enabled: self.enabled,
        }
    }
}

impl<'a> Setup<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        read(body)
    }
}

impl<'a> Ack<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        read(body)
    }

    /// The number of the acknowledged push; `None` for an id that this server does not issue.
    pub(super) fn number(&self) -> Option<u64> {
        self.request_id.parse().ok()
    }

    /// The result code alone decides: some clients send `success: false` with an acknowledgement.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.result_code.0, Some(200) | None)
    }
}

fn read<'a, T: Deserialize<'a> + Default>(body: &'a [u8]) -> Option<T> {
    if body.is_empty() {
        return Some(T::default());
    }
    serde_json::from_slice(body).ok()
}
