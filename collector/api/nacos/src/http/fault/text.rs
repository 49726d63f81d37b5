//! The texts that all generations share.

use super::Fault;
use crate::render::grouped;

/// The text of a refusal for which the generation has no text of its own.
pub(super) fn text(fault: &Fault) -> String {
    match fault {
        Fault::Missing { name, .. } => format!("Param '{name}' is required."),
        Fault::Number(text) => format!("For input string: \"{text}\""),
        Fault::Port { name, given } => format!(
            "Param '{name}' is illegal, the value should be between 0 and 65535. (current: {given})"
        ),
        Fault::TooLong { name, most } => {
            format!("Param '{name}' is illegal, the param length should not exceed {most}.")
        }
        Fault::Name(name) => format!("Param '{}' is illegal, {name}", parameter(name.part)),
        Fault::ServiceFormat => SERVICE_FORMAT.to_owned(),
        Fault::EmptyGroup => "Param 'serviceName' is illegal, groupName can't be empty".to_owned(),
        Fault::Weight => WEIGHT.to_owned(),
        Fault::Metadata(text) => format!("metadata format incorrect:{text}"),
        Fault::Beat(what) => format!("beat format incorrect:{what}"),
        Fault::Checker(why) => format!("health checker format incorrect:{why}"),
        Fault::BeatInterval => BEAT_INTERVAL.to_owned(),
        Fault::NoService { key, .. } => format!("service {} not found!", grouped(key)),
        Fault::NoInstances { cluster, key } => {
            format!(
                "no ips found for cluster {cluster} in service {}",
                grouped(key)
            )
        }
        Fault::NoMatch => "no matched ip found!".to_owned(),
        Fault::NoInstance => "instance not found".to_owned(),
        Fault::NotExist(place) => format!("instance not exist: {place}"),
        Fault::NoCluster(cluster) => format!("cluster {cluster} is not found!"),
        Fault::Exists(key) => format!("specified service {} already exists!", grouped(key)),
        Fault::NotEmpty(key) => format!(
            "Service {} is not empty, can't be delete. Please unregister instance first",
            grouped(key)
        ),
        Fault::SelectorType => "not match any type of selector!".to_owned(),
        Fault::Selector => "parse expression failed!".to_owned(),
        Fault::CheckWorking { key, cluster } => format!(
            "health check is still working, service: {}, cluster: {cluster}",
            grouped(key)
        ),
        Fault::NoClient(id) => format!("clientId [ {id} ] not exist"),
        Fault::NoNamespace(id) => format!("namespaceId [ {id} ] not exist"),
        Fault::NamespaceExists(id) => format!("namespaceId [{id}] already exist."),
        Fault::Namespace(id) => format!("namespaceId [{id}] mismatch the pattern"),
        Fault::Full(full) => full.to_string(),
        Fault::TooLarge { limit } => {
            format!("the body is larger than nacos.default.max_message_size = {limit} bytes")
        }
        Fault::Switch(why)
        | Fault::Conflict(why)
        | Fault::Form(why)
        | Fault::Unavailable(why)
        | Fault::Store(why)
        | Fault::Status(why) => why.clone(),
        // Answered elsewhere, without this text.
        Fault::Denied(_) | Fault::Loading | Fault::Raft => format!("{fault:?}"),
        Fault::Unknown | Fault::Method(_) | Fault::Configuration => format!("{fault:?}"),
    }
}

const WEIGHT: &str = "instance format invalid: The weights range from 0.0 to 10000.0";
const BEAT_INTERVAL: &str =
    "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.";
const SERVICE_FORMAT: &str =
    "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'";

/// The parameter that a part of a name comes from.
const fn parameter(part: rollcall_domain::catalog::Part) -> &'static str {
    use rollcall_domain::catalog::Part;
    match part {
        Part::Namespace => "namespaceId/tenant",
        Part::Group => "group",
        Part::Service => "serviceName",
        Part::Cluster => "cluster",
        Part::Ip => "ip",
    }
}
