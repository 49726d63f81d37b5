//! The table of v1: a status, and `caused: <text>;`.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use rollcall_domain::catalog::{Resource, ServiceKey};

use super::{At, Fault, text::text};
use crate::{http::body, render::grouped};

pub(super) fn answer(fault: &Fault) -> Response<Body> {
    body::text(status(fault), format!("caused: {};", words(fault)))
}

fn status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::Missing { .. }
        | Fault::Number(_)
        | Fault::Port { .. }
        | Fault::TooLong { .. }
        | Fault::Name(_)
        | Fault::ServiceFormat
        | Fault::EmptyGroup
        | Fault::Weight
        | Fault::Metadata(_)
        | Fault::Beat(_)
        | Fault::Checker(_)
        | Fault::BeatInterval
        | Fault::NoInstance
        | Fault::NotExist(_)
        | Fault::Exists(_)
        | Fault::NotEmpty(_)
        | Fault::SelectorType
        | Fault::Selector
        | Fault::CheckWorking { .. }
        | Fault::Switch(_)
        | Fault::Namespace(_)
        | Fault::NamespaceExists(_)
        | Fault::Conflict(_) => StatusCode::BAD_REQUEST,
        Fault::NoService { at, .. } => match at {
            At::Get | At::Catalog | At::Detail | At::Statuses => StatusCode::NOT_FOUND,
            At::Update | At::Delete | At::UpdateInstance | At::Cluster | At::Health | At::Patch => {
                StatusCode::BAD_REQUEST
            }
        },
        Fault::NoInstances { .. }
        | Fault::NoMatch
        | Fault::NoCluster(_)
        | Fault::NoClient(_)
        | Fault::NoNamespace(_) => StatusCode::NOT_FOUND,
        Fault::Full(full) if full.resource == Resource::MetadataBytes => StatusCode::BAD_REQUEST,
        Fault::Full(_) | Fault::Unavailable(_) | Fault::Loading | Fault::Status(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Fault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Fault::Form(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Fault::Denied(_) => StatusCode::FORBIDDEN,
        Fault::Store(_) | Fault::Raft => StatusCode::INTERNAL_SERVER_ERROR,
        Fault::Unknown | Fault::Method(_) | Fault::Configuration => StatusCode::NOT_IMPLEMENTED,
    }
}

/// The texts of 1.4 that differ from those of the later generations.
fn words(fault: &Fault) -> String {
    match fault {
        Fault::Exists(key) => format!(
            "specified service already exists, serviceName : {}",
            grouped(key)
        ),
        Fault::CheckWorking { key, .. } => {
            format!("health check is still working, service: {}", grouped(key))
        }
        Fault::NoService { at, key } => no_service(*at, key),
        Fault::Port { given, .. } if given.parse::<i64>().is_err() => {
            format!("For input string: \"{given}\"")
        }
        fault => text(fault),
    }
}

fn no_service(at: At, key: &ServiceKey) -> String {
    let name = grouped(key);
    match at {
        At::Get | At::Catalog => format!("service {name} is not found!"),
        At::Detail => format!("no service {name} found!"),
        At::Statuses => format!("service: {name} not found."),
        At::Update => format!("service {name} not found!"),
        At::Delete => format!("specified service not exist, serviceName : {name}"),
        At::UpdateInstance => {
            let namespace = key.namespace();
            format!("service not found, namespace: {namespace}, service: {name}")
        }
        At::Patch => "instance not found".to_owned(),
        At::Cluster | At::Health => format!("service not found:{name}"),
    }
}
