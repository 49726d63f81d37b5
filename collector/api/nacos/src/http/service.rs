//! One service: create, delete, update, look up.

use std::sync::Arc;

use rollcall_domain::catalog::{
    Checker, Cluster, Metadata, Selector, ServiceDetail, ServiceKey, Settings,
};
use serde_json::{Map, Value, json};

use super::{
    Face, checker,
    fault::{At, Fault, Generation},
    metadata,
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};
use crate::render::{AsMap, grouped};

/// The longest selector and health checker, in bytes.
const MAX_SETTING: usize = 4096;
/// Clusters of a service that may have settings.
const MAX_CLUSTERS: usize = 64;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        POST "/v1/ns/service" Write Always create;
        DELETE "/v1/ns/service" Write Complete delete;
        PUT "/v1/ns/service" Write Always update;
        GET "/v1/ns/service" Read Complete get;
        GET "/v1/ns/catalog/service" Read Complete catalog;
        POST "/v2/ns/service" Write Always create;
        DELETE "/v2/ns/service" Write Complete delete;
        PUT "/v2/ns/service" Write Always update;
        GET "/v2/ns/service" Read Complete get;
        POST "/v3/admin/ns/service" Write Always create;
        DELETE "/v3/admin/ns/service" Write Complete delete;
        PUT "/v3/admin/ns/service" Write Always update;
        GET "/v3/admin/ns/service" Read Complete get;
        POST "/v3/console/ns/service" Write Always create;
        DELETE "/v3/console/ns/service" Write Complete delete;
        PUT "/v3/console/ns/service" Write Always update;
        GET "/v3/console/ns/service" Read Complete get;
        PUT "/v1/ns/cluster" Write Always cluster;
        PUT "/v3/admin/ns/cluster" Write Always cluster;
        GET "/v1/ns/service/selector/types" Open Always selector_types;
        GET "/v3/admin/ns/service/selector/types" Open Always selector_types;
    }
    .into()
}

/// A service that a call creates. It may have instances of both kinds.
async fn create(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let settings = Settings {
        protect_threshold: request.params.number("protectThreshold")?.unwrap_or(0.0),
        metadata: metadata::parse(metadata::given(&request.params).unwrap_or_default())?,
        selector: selector(request)?,
        ..Settings::default()
    };
    let created = face
        .catalog_for(request)
        .create_service(&key, settings)
        .await;
    created.map_err(|error| Fault::of(error, At::Get, &key))?;
    Ok(reply::done(request.generation))
}

async fn delete(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let deleted = face.catalog.delete_service(&key).await;
    deleted.map_err(|error| Fault::of(error, At::Delete, &key))?;
    Ok(reply::done(request.generation))
}

/// Replaces the settings; a setting that the call omits gets its default. v3 does not require the threshold.
async fn update(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    if request.generation != Generation::V3 {
        request.params.required_as("protectThreshold", "float")?;
    }
    let threshold = request.params.number("protectThreshold")?.unwrap_or(0.0);
    let (metadata, selector) = (
        metadata::parse(metadata::given(&request.params).unwrap_or_default())?,
        selector(request)?,
    );
    let update = move |settings: &mut Settings| {
        settings.protect_threshold = threshold;
        settings.metadata = metadata;
        settings.selector = selector;
    };
    let updated = face.catalog_for(request).update_service(&key, update).await;
    updated.map_err(|error| Fault::of(error, At::Update, &key))?;
    Ok(reply::done(request.generation))
}

/// `{"type":"none"}`, or `{"type":"label","expression":"..."}`; clients encode it once more in the query.
fn selector(request: &Request<'_>) -> Result<Option<Selector>, Fault> {
    let text = request.params.short("selector", MAX_SETTING)?;
    if text.is_empty() {
        return Ok(None);
    }
    let decoded = super::params::decoded(text);
    let json: Option<Map<String, Value>> = serde_json::from_str(&decoded).ok();
    let json = json.ok_or(Fault::SelectorType)?;
    match json.get("type").and_then(Value::as_str) {
        Some("none") => Ok(None),
        Some("label") => {
            let expression = json.get("expression").and_then(Value::as_str);
            let selector = Selector::parse(expression.unwrap_or_default());
            selector.map(Some).map_err(|_bad| Fault::Selector)
        }
        _ => Err(Fault::SelectorType),
    }
}

fn found(face: &Face, at: At, key: ServiceKey) -> Result<ServiceDetail, Fault> {
    let found = face.catalog.service(&key);
    found.ok_or(Fault::NoService { at, key })
}

async fn get(face: &Face, request: &Request<'_>) -> Reply {
    let detail = found(face, At::Get, request.service()?)?;
    let key = &detail.key;
    let settings = &detail.settings;
    if request.generation == Generation::V1 {
        let clusters = detail.clusters.iter().map(|cluster| {
            json!({
                "name": cluster.name,
                "healthChecker": checker::shown(&cluster.checker),
                "metadata": map(&cluster.metadata),
            })
        });
        return Ok(reply::json(&json!({
            "name": key.name(),
            "namespaceId": key.namespace(),
            "protectThreshold": settings.protect_threshold,
            "metadata": map(&settings.metadata),
            "selector": shown_selector(settings, request.generation),
            "groupName": key.group(),
            "clusters": clusters.collect::<Vec<_>>(),
        })));
    }
    let is_v3 = request.generation == Generation::V3;
    let clusters = detail.clusters.iter().map(|cluster| {
        let mut shown = json!({
            "clusterName": cluster.name,
            "healthChecker": checker::shown(&cluster.checker),
            "metadata": map(&cluster.metadata),
            "hosts": null,
        });
        if let (true, Some(shown)) = (is_v3, shown.as_object_mut()) {
            shown.insert("healthyCheckPort".to_owned(), cluster.check_port.into());
            let own = cluster.use_instance_port;
            shown.insert("useInstancePortForCheck".to_owned(), own.into());
        }
        (cluster.name.to_string(), shown)
    });
    let mut shown = json!({
        "serviceName": key.name(),
        "groupName": key.group(),
        "clusterMap": clusters.collect::<Map<_, _>>(),
        "metadata": map(&settings.metadata),
        "protectThreshold": settings.protect_threshold,
        "selector": shown_selector(settings, request.generation),
        "ephemeral": detail.kind.is_some_and(|kind| kind.is_ephemeral()),
    });
    if let Some(shown) = shown.as_object_mut() {
        let name = if is_v3 { "namespaceId" } else { "namespace" };
        shown.insert(name.to_owned(), key.namespace().into());
    }
    Ok(reply::success(&shown))
}

/// A service for the console of 1.x.
async fn catalog(face: &Face, request: &Request<'_>) -> Reply {
    let detail = found(face, At::Catalog, request.service()?)?;
    let (key, settings) = (&detail.key, &detail.settings);
    let service = grouped(key);
    let clusters = detail.clusters.iter().map(|cluster| {
        json!({
            "serviceName": service,
            "name": cluster.name,
            "healthChecker": checker::shown(&cluster.checker),
            "defaultPort": 80,
            "defaultCheckPort": cluster.check_port,
            "useIPPort4Check": cluster.use_instance_port,
            "metadata": map(&cluster.metadata),
            "sitegroup": "",
            "defCkport": cluster.check_port,
            "defIPPort": 80,
            "empty": detail.instances == 0,
        })
    });
    Ok(reply::json(&json!({
        "service": {
            "name": key.name(),
            "protectThreshold": settings.protect_threshold,
            "groupName": key.group(),
            "selector": shown_selector(settings, request.generation),
            "metadata": map(&settings.metadata),
        },
        "clusters": clusters.collect::<Vec<_>>(),
    })))
}

/// Sets how the persistent instances of a cluster are probed.
async fn cluster(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let name = rollcall_domain::catalog::cluster_name(request.params.required("clusterName")?)?;
    request.params.required_as("checkPort", "Integer")?;
    let check_port = request.params.port("checkPort")?.unwrap_or(0);
    request
        .params
        .required_as("useInstancePort4Check", "Boolean")?;
    request.params.short("healthChecker", MAX_SETTING)?;
    let detail = face.catalog.service(&key);
    let configured = detail.map_or_else(Default::default, |detail| detail.settings.clusters);
    // A cluster that only has instances has no settings yet.
    let known = configured.get(name);
    if known.is_none() && configured.len() >= MAX_CLUSTERS {
        let why = format!("at most {MAX_CLUSTERS} clusters of a service have settings");
        return Err(Fault::Conflict(why));
    }
    let metadata = metadata::parse(metadata::given(&request.params).unwrap_or_default())?;
    if metadata.bytes() > face.settings.max_metadata {
        return Err(Fault::TooLong {
            name: "metadata",
            most: face.settings.max_metadata,
        });
    }
    let cluster = Cluster {
        name: Arc::from(name),
        checker: match request.params.required("healthChecker") {
            Ok(text) => checker::keep_password(checker::parse(text)?, known),
            Err(_missing) if request.generation == Generation::V3 => Checker::default(),
            Err(missing) => return Err(missing),
        },
        check_port,
        use_instance_port: request
            .params
            .loose_flag("useInstancePort4Check")
            .unwrap_or(true),
        metadata,
    };
    let updated = face
        .catalog_for(request)
        .update_cluster(&key, cluster)
        .await;
    updated.map_err(|error| Fault::of(error, At::Cluster, &key))?;
    Ok(reply::done(request.generation))
}

async fn selector_types(_: &Face, request: &Request<'_>) -> Reply {
    Ok(reply::data(request.generation, &["label", "none"]))
}

fn map(metadata: &Metadata) -> Value {
    serde_json::to_value(AsMap(metadata)).unwrap_or_default()
}

fn shown_selector(settings: &Settings, generation: Generation) -> Value {
    let is_v1 = generation == Generation::V1;
    match &settings.selector {
        None if is_v1 => json!({"type": "none"}),
        None => json!({"type": "none", "contextType": "NONE"}),
        Some(selector) if is_v1 => {
            json!({"type": "label", "expression": selector.expression()})
        }
        Some(selector) => json!({
            "type": "label", "contextType": "CMDB", "expression": selector.expression()
        }),
    }
}
