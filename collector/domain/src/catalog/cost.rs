//! The bytes that the catalog charges for what it holds.

use super::{
    Checker, Endpoint, Metadata, MetadataChange, Override, Registration, ServiceKey, Settings,
};

/// Bytes charged for an instance beyond its texts: its record, its entries in the indexes, and its lease.
const INSTANCE_BYTES: usize = 256;
/// Bytes charged for a service beyond its texts.
const SERVICE_BYTES: usize = 384;
/// Bytes charged for the settings of a service, of a cluster, and for an override, beyond their texts.
const SETTINGS_BYTES: usize = 128;
const CLUSTER_BYTES: usize = 256;
const OVERRIDE_BYTES: usize = 256;

/// The cost of a service with this key, without settings and overrides.
pub(super) fn service(key: &ServiceKey) -> usize {
    SERVICE_BYTES + 2 * key.len()
}

/// The cost of an instance with this registration.
pub(super) fn registration(registration: &Registration) -> usize {
    let (id, app) = (&registration.instance_id, &registration.app);
    let (endpoint, metadata) = (&registration.endpoint, &registration.metadata);
    instance(endpoint, metadata, id.as_deref(), app.as_deref())
}

/// The cost of an instance with these values.
pub(super) fn instance(
    endpoint: &Endpoint,
    metadata: &Metadata,
    id: Option<&str>,
    app: Option<&str>,
) -> usize {
    let extra = match (id, app) {
        (None, None) => 0,
        (id, app) => 64 + id.map_or(0, str::len) + app.map_or(0, str::len),
    };
    INSTANCE_BYTES + endpoint.ip.len() + of_metadata(metadata) + extra
}

fn of_metadata(metadata: &Metadata) -> usize {
    metadata.bytes() + 32 * metadata.len()
}

/// The cost of a service's settings.
pub(super) fn settings(settings: &Settings) -> usize {
    let selector = settings.selector.as_ref();
    // A selector keeps its expression, and the labels in it.
    let selector = selector.map_or(0, |selector| 2 * selector.expression().len());
    let clusters = settings.clusters.values().map(|cluster| {
        let checker = match &cluster.checker {
            Checker::Tcp | Checker::None => 0,
            Checker::Http { path, headers, .. } => path.len() + headers.len(),
            Checker::Mysql {
                user,
                password,
                command,
            } => user.len() + password.len() + command.len(),
        };
        CLUSTER_BYTES + cluster.name.len() + checker + of_metadata(&cluster.metadata)
    });
    SETTINGS_BYTES + of_metadata(&settings.metadata) + selector + clusters.sum::<usize>()
}

/// The cost of the override at an endpoint; nothing for an empty one.
pub(super) fn overridden(endpoint: &Endpoint, set: &Override) -> usize {
    if set.is_empty() {
        return 0;
    }
    let metadata = set.metadata.as_ref().map_or(0, |change| match change {
        MetadataChange::Merge(metadata)
        | MetadataChange::Replace(metadata)
        | MetadataChange::Remove(metadata) => of_metadata(metadata),
    });
    OVERRIDE_BYTES + endpoint.ip.len() + metadata
}
