//! Checks of a request before it reaches the catalog, with the reference's texts, which clients and their tests expect.
//!
//! The rules are the reference's, except that names may contain letters of any script.

use rollcall_domain::catalog::{Endpoint, Kind, Metadata, Registration};

use super::{
    answer::{Refusal, code},
    request::{Instance, NamingRequest},
};
use crate::MAX_CLUSTERS;

#[cfg(test)]
mod tests;

/// Limits of the reference, in characters.
const MAX_NAMESPACE: usize = 64;
const MAX_GROUP: usize = 128;
const MAX_SERVICE: usize = 512;
const MAX_CLUSTER: usize = 64;
const MAX_IP: usize = 128;
/// The keys and values of an instance's metadata together.
const MAX_METADATA: usize = 1024;

/// Checks the names that every naming request has. A list of services has no service name.
pub(super) fn names(request: &NamingRequest<'_>, has_service: bool) -> Result<(), Refusal> {
    length("namespaceId/tenant", &request.namespace, MAX_NAMESPACE)?;
    characters("namespaceId/tenant", &request.namespace, is_word)?;
    if has_service || !request.service_name.is_empty() {
        length("serviceName", &request.service_name, MAX_SERVICE)?;
        if request.service_name.starts_with('@') || request.service_name.contains("@@") {
            return Err(illegal("serviceName"));
        }
        characters("serviceName", &request.service_name, is_printed)?;
    }
    length("group", &request.group_name, MAX_GROUP)?;
    characters("group", &request.group_name, |c| {
        is_word(c) || matches!(c, '.' | ':')
    })?;
    let clusters = [&*request.cluster, &*request.clusters];
    // A subscription keeps the list, and each push echoes it.
    if clusters.iter().any(|list| list.len() > MAX_CLUSTERS) {
        return Err(too_long("clusters", MAX_CLUSTERS));
    }
    for cluster in clusters.iter().flat_map(|list| list.split(',')) {
        length("cluster", cluster, MAX_CLUSTER)?;
        characters("cluster", cluster, |c| is_word(c) || c == ' ')?;
    }
    Ok(())
}

/// Refuses a request without a group or a service. SDKs fill in the group.
pub(super) fn present(request: &NamingRequest<'_>) -> Result<(), Refusal> {
    for (name, value) in [
        ("groupName", &request.group_name),
        ("serviceName", &request.service_name),
    ] {
        if value.trim().is_empty() {
            return Err(Refusal::new(
                code::FAILED,
                format!("Param '{name}' is illegal, {name} is blank"),
            ));
        }
    }
    Ok(())
}

/// Converts an instance of a message to a registration.
pub(super) fn instance(
    instance: &Instance<'_>,
    kind: Kind,
    app: Option<&str>,
) -> Result<Registration, Refusal> {
    let port = parameters(instance)?;
    let metadata = &instance.metadata.entries;
    let cluster = instance.cluster_name.trim();
    if !cluster
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        return Err(Refusal::new(
            code::INVALID,
            format!(
                "Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: {cluster})"
            ),
        ));
    }
    let endpoint = Endpoint::new(&instance.ip, port, cluster).map_err(|_invalid| illegal("ip"))?;
    let mut registration = Registration::new(endpoint, kind);
    registration.weight = instance.weight.0.unwrap_or(1.0);
    registration.enabled = instance.enabled.0.unwrap_or(true);
    registration.healthy = instance.healthy.0.unwrap_or(true);
    let entries = metadata.iter().map(|(key, value)| (&**key, &**value));
    registration.metadata = std::sync::Arc::new(entries.collect::<Metadata>());
    if !instance.instance_id.trim().is_empty() {
        if instance.instance_id.len() > MAX_SERVICE + MAX_GROUP + MAX_IP + MAX_CLUSTER + 16 {
            return Err(too_long("instanceId", MAX_SERVICE));
        }
        registration.instance_id = Some((&*instance.instance_id).into());
    }
    registration.app = app.filter(|app| !app.is_empty()).map(Into::into);
    Ok(registration)
}

/// Makes the checks that the reference makes first. Returns the port.
fn parameters(instance: &Instance<'_>) -> Result<u16, Refusal> {
    length("cluster", &instance.cluster_name, MAX_CLUSTER)?;
    characters("cluster", &instance.cluster_name, is_word)?;
    length("ip", &instance.ip, MAX_IP)?;
    characters("ip", &instance.ip, is_printed)?;
    let port = u16::try_from(instance.port.0.unwrap_or(0)).map_err(|_too_large| {
        invalid("Param 'port' is illegal, the value should be between 0 and 65535.")
    })?;
    let entries = instance.metadata.entries.iter();
    let metadata: usize = entries.map(|(key, value)| chars(key) + chars(value)).sum();
    if instance.metadata.is_cut || metadata > MAX_METADATA {
        return Err(too_long("Metadata", MAX_METADATA));
    }
    if instance.ip.is_empty() {
        return Err(illegal("ip"));
    }
    Ok(port)
}

/// A letter of any script, a digit, a hyphen or an underscore.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

/// No whitespace and no control character.
fn is_printed(c: char) -> bool {
    !c.is_whitespace() && !c.is_control()
}

fn length(name: &str, value: &str, max: usize) -> Result<(), Refusal> {
    // The length in bytes is an upper bound of the number of characters, and costs nothing.
    if value.len() > max && chars(value) > max {
        return Err(too_long(name, max));
    }
    Ok(())
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn characters(name: &str, value: &str, is_allowed: impl Fn(char) -> bool) -> Result<(), Refusal> {
    if value.chars().all(is_allowed) {
        Ok(())
    } else {
        Err(illegal(name))
    }
}

fn illegal(name: &str) -> Refusal {
    invalid(format!(
        "Param '{name}' is illegal, illegal characters should not appear in the param."
    ))
}

fn too_long(name: &str, max: usize) -> Refusal {
    invalid(format!(
        "Param '{name}' is illegal, the param length should not exceed {max}."
    ))
}

fn invalid(text: impl std::fmt::Display) -> Refusal {
    Refusal::new(code::INVALID, format!("Param check invalid:{text}"))
}
