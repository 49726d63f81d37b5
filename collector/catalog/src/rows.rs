//! The stored format of durable data. Fields are added, never renamed; readers ignore unknown fields.

use std::{collections::BTreeMap, sync::Arc};

use rollcall_domain::{
    Timestamp,
    catalog::{
        Checker, Cluster, Endpoint, Kind, Metadata, MetadataChange, Override, Registration,
        Selector, ServiceKey, Settings,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::store::{Change, Error, Row, Table};

const SEPARATOR: char = '\0';

/// The text of a service's key in a store.
pub(crate) fn service_text(key: &ServiceKey) -> String {
    format!(
        "{}{SEPARATOR}{}{SEPARATOR}{}",
        key.namespace(),
        key.group(),
        key.name()
    )
}

/// The text of an instance's key in a store.
pub(crate) fn instance_text(key: &ServiceKey, endpoint: &Endpoint) -> String {
    format!(
        "{}{SEPARATOR}{}{SEPARATOR}{}{SEPARATOR}{}",
        service_text(key),
        endpoint.ip,
        endpoint.port,
        endpoint.cluster
    )
}

pub(crate) fn service_of(text: &str) -> Option<ServiceKey> {
    let mut parts = text.split(SEPARATOR);
    ServiceKey::new(parts.next()?, parts.next()?, parts.next()?).ok()
}

pub(crate) fn place_of(text: &str) -> Option<(ServiceKey, Endpoint)> {
    let key = service_of(text)?;
    let mut parts = text.split(SEPARATOR).skip(3);
    let (ip, port, cluster) = (parts.next()?, parts.next()?, parts.next()?);
    Some((key, Endpoint::new(ip, port.parse().ok()?, cluster).ok()?))
}

pub(crate) fn put(table: Table, key: String, value: &impl Serialize) -> Result<Change, Error> {
    let value = serde_json::to_vec(value).map_err(|error| Error::Io(error.to_string()))?;
    Ok(Change::Put(Row { table, key, value }))
}

/// The name of a table in error messages.
pub(crate) fn name(table: Table) -> &'static str {
    rollcall_keyed::Table::name(table)
}

pub(crate) fn remove(table: Table, key: String) -> Change {
    Change::Remove { table, key }
}

pub(crate) fn read<T: DeserializeOwned>(row: &Row) -> Result<T, Error> {
    serde_json::from_slice(&row.value).map_err(|error| {
        Error::Unreadable(format!(
            "row {:?} of table {} is unreadable: {error}",
            row.key,
            name(row.table)
        ))
    })
}

type Map = BTreeMap<String, String>;

/// Metadata as a JSON object whose values are strings. Serializing it copies nothing.
#[derive(Debug, Default)]
struct Texts(Arc<Metadata>);

impl Texts {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|map| Self(metadata(map)))
    }
}

fn map(metadata: &Metadata) -> Map {
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    metadata.iter().map(pair).collect()
}

fn metadata(map: Map) -> Arc<Metadata> {
    Arc::new(map.into_iter().collect())
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct InstanceRow {
    pub(crate) weight: f64,
    pub(crate) enabled: bool,
    pub(crate) healthy: bool,
    #[serde(default, skip_serializing_if = "Texts::is_empty")]
    metadata: Texts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<Arc<str>>,
}

impl InstanceRow {
    pub(crate) fn of(registration: &Registration) -> Self {
        Self {
            weight: registration.weight,
            enabled: registration.enabled,
            healthy: registration.healthy,
            metadata: Texts(Arc::clone(&registration.metadata)),
            id: registration.instance_id.clone(),
            app: registration.app.clone(),
        }
    }

    pub(crate) fn registration(self, endpoint: Endpoint, kind: Kind) -> Registration {
        Registration {
            endpoint,
            kind,
            weight: self.weight,
            enabled: self.enabled,
            healthy: self.healthy,
            metadata: self.metadata.0,
            instance_id: self.id,
            app: self.app,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ServiceRow {
    protect_threshold: f64,
    #[serde(default)]
    metadata: Map,
    #[serde(default)]
    selector: Option<String>,
    #[serde(default)]
    clusters: Vec<ClusterRow>,
}

#[derive(Debug, Deserialize, Serialize)]
struct ClusterRow {
    name: Arc<str>,
    checker: CheckerRow,
    check_port: u16,
    use_instance_port: bool,
    #[serde(default)]
    metadata: Map,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum CheckerRow {
    Tcp,
    Http {
        path: Arc<str>,
        headers: Arc<str>,
        expected: u16,
    },
    Mysql {
        user: Arc<str>,
        password: Arc<str>,
        command: Arc<str>,
    },
    None,
}

impl ServiceRow {
    pub(crate) fn of(settings: &Settings) -> Self {
        let cluster = |cluster: &Cluster| ClusterRow {
            name: Arc::clone(&cluster.name),
            checker: CheckerRow::of(&cluster.checker),
            check_port: cluster.check_port,
            use_instance_port: cluster.use_instance_port,
            metadata: map(&cluster.metadata),
        };
        Self {
            protect_threshold: settings.protect_threshold,
            metadata: map(&settings.metadata),
            selector: settings
                .selector
                .as_ref()
                .map(|s| s.expression().to_owned()),
            clusters: settings.clusters.values().map(cluster).collect(),
        }
    }

    pub(crate) fn settings(self) -> Settings {
        let cluster = |row: ClusterRow| Cluster {
            name: row.name,
            checker: row.checker.checker(),
            check_port: row.check_port,
            use_instance_port: row.use_instance_port,
            metadata: metadata(row.metadata),
        };
        let clusters = self.clusters.into_iter().map(cluster);
        Settings {
            protect_threshold: self.protect_threshold,
            metadata: metadata(self.metadata),
            // A selector that only a later release understands is ignored.
            selector: self.selector.and_then(|text| Selector::parse(&text).ok()),
            clusters: clusters.map(|c| (Arc::clone(&c.name), c)).collect(),
        }
    }
}

impl CheckerRow {
    fn of(checker: &Checker) -> Self {
        match checker.clone() {
            Checker::Tcp => Self::Tcp,
            Checker::Http {
                path,
                headers,
                expected,
            } => Self::Http {
                path,
                headers,
                expected,
            },
            Checker::Mysql {
                user,
                password,
                command,
            } => Self::Mysql {
                user,
                password,
                command,
            },
            Checker::None => Self::None,
        }
    }

    fn checker(self) -> Checker {
        match self {
            Self::Tcp => Checker::Tcp,
            Self::Http {
                path,
                headers,
                expected,
            } => Checker::Http {
                path,
                headers,
                expected,
            },
            Self::Mysql {
                user,
                password,
                command,
            } => Checker::Mysql {
                user,
                password,
                command,
            },
            Self::None => Checker::None,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct OverrideRow {
    enabled: Option<bool>,
    weight: Option<f64>,
    #[serde(default)]
    merged: Option<Map>,
    #[serde(default)]
    replaced: Option<Map>,
    #[serde(default)]
    removed: Option<Map>,
    set_at: i64,
}

impl OverrideRow {
    pub(crate) fn of(set: &Override) -> Self {
        let mut row = Self {
            enabled: set.enabled,
            weight: set.weight,
            merged: None,
            replaced: None,
            removed: None,
            set_at: set.set_at.millis(),
        };
        match &set.metadata {
            Some(MetadataChange::Merge(new)) => row.merged = Some(map(new)),
            Some(MetadataChange::Replace(new)) => row.replaced = Some(map(new)),
            Some(MetadataChange::Remove(keys)) => row.removed = Some(map(keys)),
            None => {}
        }
        row
    }

    pub(crate) fn set(self) -> Override {
        let replaced = self.replaced.map(|m| MetadataChange::Replace(metadata(m)));
        let merged = self.merged.map(|m| MetadataChange::Merge(metadata(m)));
        let removed = self.removed.map(|m| MetadataChange::Remove(metadata(m)));
        Override {
            enabled: self.enabled,
            weight: self.weight,
            metadata: replaced.or(merged).or(removed),
            set_at: Timestamp::from_millis(self.set_at),
            ends_at: None,
        }
    }
}
