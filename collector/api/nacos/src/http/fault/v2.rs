//! The table of v2 and v3: a status, a code with its general text, and a specific text.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use rollcall_domain::catalog::{Resource, ServiceKey};
use serde::Serialize;

use super::{At, Fault, Generation, text::text};
use crate::{http::body, render::grouped};

/// A code of the reference with its general text.
#[derive(Clone, Copy, Debug)]
struct Code(u32, &'static str);

const PARAMETER_MISSING: Code = Code(10_000, "parameter missing");
const ACCESS_DENIED: Code = Code(10_001, "access denied");
const PARAMETER_INVALID: Code = Code(20_002, "parameter validate error");
const RESOURCE_MISSING: Code = Code(20_004, "resource not found");
const WEIGHT_ERROR: Code = Code(21_001, "weight error");
const METADATA_ERROR: Code = Code(21_002, "instance metadata error");
const INSTANCE_MISSING: Code = Code(21_003, "instance not found");
const INSTANCE_ERROR: Code = Code(21_004, "instance error");
const SELECTOR_ERROR: Code = Code(21_006, "selector error");
const SERVICE_EXISTS: Code = Code(21_007, "service already exist");
const SERVICE_MISSING: Code = Code(21_008, "service not exist");
const SERVICE_NOT_DELETED: Code = Code(21_009, "service delete failure");
const NAMESPACE_ILLEGAL: Code = Code(22_000, "illegal namespace");
const NAMESPACE_MISSING: Code = Code(22_001, "namespace not exist");
const NAMESPACE_EXISTS: Code = Code(22_002, "namespace already exist");
const SERVER_ERROR: Code = Code(30_000, "server error");

pub(super) fn answer(fault: &Fault, generation: Generation) -> Response<Body> {
    #[derive(Serialize)]
    struct Envelope {
        code: u32,
        message: &'static str,
        data: String,
    }
    let (status, Code(code, message), data) = match (fault, generation) {
        (Fault::NamespaceExists(id), Generation::V2) => (
            StatusCode::BAD_REQUEST,
            NAMESPACE_ILLEGAL,
            format!("the namespaceId is existed, namespaceId: {id}"),
        ),
        _ => row(fault),
    };
    let envelope = Envelope {
        code,
        message,
        data,
    };
    body::json_with(status, &envelope)
}

fn row(fault: &Fault) -> (StatusCode, Code, String) {
    let bad = StatusCode::BAD_REQUEST;
    let (status, code) = match fault {
        Fault::NoService { at, key } => return no_service(*at, key),
        Fault::Missing { .. } => (bad, PARAMETER_MISSING),
        Fault::Number(_)
        | Fault::Port { .. }
        | Fault::TooLong { .. }
        | Fault::Name(_)
        | Fault::ServiceFormat
        | Fault::EmptyGroup
        | Fault::Beat(_)
        | Fault::Checker(_)
        | Fault::Switch(_) => (bad, PARAMETER_INVALID),
        Fault::Weight => (bad, WEIGHT_ERROR),
        Fault::Metadata(_) => (bad, METADATA_ERROR),
        Fault::BeatInterval => (bad, INSTANCE_ERROR),
        Fault::NoInstances { .. }
        | Fault::NoMatch
        | Fault::NotExist(_)
        | Fault::NoCluster(_)
        | Fault::NoClient(_) => (StatusCode::NOT_FOUND, RESOURCE_MISSING),
        Fault::NoInstance => (StatusCode::NOT_FOUND, INSTANCE_MISSING),
        Fault::Exists(_) => (bad, SERVICE_EXISTS),
        Fault::NotEmpty(_) => (bad, SERVICE_NOT_DELETED),
        Fault::SelectorType | Fault::Selector => (bad, SELECTOR_ERROR),
        Fault::CheckWorking { .. } | Fault::Conflict(_) => (bad, SERVER_ERROR),
        Fault::NoNamespace(_) => (StatusCode::NOT_FOUND, NAMESPACE_MISSING),
        Fault::NamespaceExists(_) => (bad, NAMESPACE_EXISTS),
        Fault::Namespace(_) => (bad, NAMESPACE_ILLEGAL),
        Fault::Full(full) if full.resource == Resource::MetadataBytes => (bad, METADATA_ERROR),
        Fault::Full(_) | Fault::Unavailable(_) | Fault::Loading | Fault::Status(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, SERVER_ERROR)
        }
        Fault::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, PARAMETER_INVALID),
        Fault::Form(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, PARAMETER_INVALID),
        Fault::Denied(_) => (StatusCode::FORBIDDEN, ACCESS_DENIED),
        Fault::Store(_) | Fault::Raft => (StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR),
        Fault::Unknown | Fault::Method(_) | Fault::Configuration => {
            (StatusCode::NOT_IMPLEMENTED, SERVER_ERROR)
        }
    };
    (status, code, words(fault))
}

/// The texts of 2.x that differ from those that all generations share.
fn words(fault: &Fault) -> String {
    match fault {
        Fault::Missing { name, kind } => {
            format!("Required parameter '{name}' type {kind} is not present")
        }
        Fault::NoInstance => "no matched ip found!".to_owned(),
        Fault::Selector => "Selector parses failed: parse expression failed!".to_owned(),
        fault => text(fault),
    }
}

fn no_service(at: At, key: &ServiceKey) -> (StatusCode, Code, String) {
    let (name, bad) = (grouped(key), StatusCode::BAD_REQUEST);
    let namespace = key.namespace();
    match at {
        At::Get => (
            bad,
            SERVICE_MISSING,
            format!("service not found, namespace: {namespace}, serviceName: {name}"),
        ),
        At::Update | At::Delete | At::Cluster | At::Health | At::Patch | At::Statuses => {
            (bad, SERVICE_MISSING, format!("service {name} not found!"))
        }
        At::Detail => (
            StatusCode::NOT_FOUND,
            RESOURCE_MISSING,
            format!("no ips found for cluster DEFAULT in service {name}"),
        ),
        At::UpdateInstance => (
            bad,
            INSTANCE_ERROR,
            format!(
                "service not found, namespace: {namespace}, service: Service{{namespace='{namespace}', group='{}', name='{}', \
                 ephemeral=true, revision=0}}",
                key.group(),
                key.name()
            ),
        ),
        At::Catalog => (
            StatusCode::NOT_FOUND,
            SERVER_ERROR,
            format!("service {name} is not found!"),
        ),
    }
}
