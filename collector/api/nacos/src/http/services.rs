//! Lists of services.

use std::collections::BTreeMap;

use rollcall_domain::catalog::{Instance, ServiceKey};
use serde_json::{Map, Value, json};

use super::{
    Face,
    fault::{At, Fault, Generation},
    page::{self, Page},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};
use crate::render::{AsMap, grouped, v2::InstanceJson};

mod filter;

use filter::Filter;

/// The most services in a list of names. Further services are not counted either.
const MAX_NAMES: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        GET "/v1/ns/service/list" ReadGroup Complete list;
        ANY "/v1/ns/service/names" ReadNamespaces Complete names;
        ANY "/v1/ns/api/allDomNames" ReadNamespaces Complete all_names;
        GET "/v2/ns/service/list" ReadGroup Complete list;
        GET "/v1/ns/catalog/services" ReadNamespace Complete summaries;
        GET "/v3/admin/ns/service/list" ReadNamespace Complete summaries_v3;
        GET "/v3/console/ns/service/list" ReadNamespace Complete summaries_v3;
    }
    .into()
}

/// The names of a group's services; with the group `*` the services of all groups, with their group.
async fn list(face: &Face, request: &Request<'_>) -> Reply {
    let is_v1 = request.generation == Generation::V1;
    if is_v1 {
        request.params.required("pageNo")?;
        request.params.required("pageSize")?;
    }
    let page = Page::of(request, if is_v1 { 0 } else { 20 });
    let group = request.listed_group();
    let filter = Filter::parse(request.params.text("selector"));
    let found = face.catalog.services_where(
        request.namespace(),
        group,
        (page.offset, page.size),
        |listed| {
            filter.as_ref().is_none_or(|filter| {
                let summary = || listed.summary();
                filter.keeps(&listed.instances(), summary)
            })
        },
    );
    let found = found.await?;
    let name = |key: &ServiceKey| {
        if group.is_none() {
            grouped(key)
        } else {
            key.name().to_owned()
        }
    };
    let names: Vec<_> = found.items.iter().map(name).collect();
    let answer = if is_v1 {
        json!({ "doms": names, "count": found.total })
    } else {
        json!({ "count": found.total, "services": names })
    };
    Ok(reply::data(request.generation, &answer))
}

/// Names of services by namespace. As in 1.4, the count is the number of namespaces.
async fn names(face: &Face, request: &Request<'_>) -> Reply {
    let wanted = request.params.text("expr");
    let mut services = BTreeMap::<&str, Vec<String>>::new();
    let keys = all_keys(face, request.listed_namespace(), wanted).await?;
    for key in &keys {
        let names = services.entry(key.namespace()).or_default();
        names.push(key.name().to_owned());
    }
    let count = services.len();
    Ok(reply::json(
        &json!({ "services": services, "count": count }),
    ))
}

/// Names of services with their group, by namespace, for clients before 0.8. The count is the number of services.
async fn all_names(face: &Face, request: &Request<'_>) -> Reply {
    let mut services = BTreeMap::<String, Vec<String>>::new();
    for key in all_keys(face, request.listed_namespace(), "").await? {
        let names = services.entry(key.namespace().to_owned()).or_default();
        names.push(grouped(&key));
    }
    let count: usize = services.values().map(Vec::len).sum();
    Ok(reply::json(&json!({ "doms": services, "count": count })))
}

/// Services of one namespace, or of all, whose name with its group contains a text.
async fn all_keys(
    face: &Face,
    namespace: Option<&str>,
    contains: &str,
) -> Result<Vec<ServiceKey>, Fault> {
    let keys = match namespace {
        Some(namespace) => {
            let services = face.catalog.services(namespace, None, 0, MAX_NAMES);
            services.await?.items
        }
        None => face.catalog.all_services(MAX_NAMES).await?,
    };
    let keys = keys.into_iter();
    Ok(keys.filter(|key| grouped(key).contains(contains)).collect())
}

/// The services as the console of 1.x lists them, with counts or with instances.
async fn summaries(face: &Face, request: &Request<'_>) -> Reply {
    request.params.required("pageNo")?;
    request.params.required("pageSize")?;
    let with_instances = request.params.strict_flag("withInstances");
    let page = Page::of(request, 0);
    let found = search(
        face,
        request,
        page,
        request.params.strict_flag("hasIpCount"),
    )
    .await?;
    if !with_instances {
        let list: Vec<_> = found
            .items
            .iter()
            .filter_map(|key| summary(face, key))
            .collect();
        return Ok(reply::json(
            &json!({ "serviceList": list, "count": found.total }),
        ));
    }
    let list = found.items.iter().map(|key| {
        let clusters = by_cluster(face, key, |instance| {
            json!({
                "valid": instance.registered.healthy,
                "metadata": AsMap(&instance.metadata()),
                "port": instance.registered.endpoint.port,
                "ip": instance.registered.endpoint.ip,
                "weight": instance.weight(),
                "enabled": instance.enabled(),
            })
        });
        let clusters = clusters
            .into_iter()
            .map(|(name, hosts)| (name, json!({ "hosts": hosts })));
        json!({
            "serviceName": key.name(),
            "groupName": key.group(),
            "clusterMap": clusters.collect::<Map<_, _>>(),
            "metadata": service_metadata(face, key),
        })
    });
    Ok(reply::json(&list.collect::<Vec<_>>()))
}

/// The services as the console of 3.x lists them, with counts or with instances.
async fn summaries_v3(face: &Face, request: &Request<'_>) -> Reply {
    let page = Page::of(request, 100);
    let found = search(
        face,
        request,
        page,
        request.params.strict_flag("ignoreEmptyService"),
    )
    .await?;
    let with_instances = request.params.strict_flag("withInstances");
    let items = found.items.iter().filter_map(|key| {
        if with_instances {
            Some(with_hosts(face, key))
        } else {
            summary(face, key)
        }
    });
    let items = items.collect();
    Ok(reply::success(&page::v3(page, found.total, items)))
}

/// The services of a namespace whose name and group contain the requested texts. If the call names an instance's address, it
/// selects only services with such an instance. `without_empty` leaves out services without instances.
async fn search(
    face: &Face,
    request: &Request<'_>,
    page: Page,
    without_empty: bool,
) -> Result<rollcall_catalog::Page<ServiceKey>, Fault> {
    let name = request.params.text("serviceNameParam");
    let group = request.params.text("groupNameParam");
    let instance = request.params.text("instance");
    let found = face.catalog.services_where(
        request.namespace(),
        None,
        (page.offset, page.size),
        |listed| {
            listed.key.name().contains(name)
                && listed.key.group().contains(group)
                && (instance.is_empty() || listed.instances().iter().any(|i| is_at(i, instance)))
                && (!without_empty || listed.summary().is_some_and(|one| one.instances > 0))
        },
    );
    Ok(found.await?)
}

/// Whether an instance is at `ip` or `ip:port`.
fn is_at(instance: &Instance, place: &str) -> bool {
    let endpoint = &instance.registered.endpoint;
    *endpoint.ip == *place || format!("{}:{}", endpoint.ip, endpoint.port) == place
}

fn summary(face: &Face, key: &ServiceKey) -> Option<Value> {
    let summary = face.catalog.summary(key)?;
    Some(json!({
        "name": key.name(),
        "groupName": key.group(),
        "clusterCount": summary.clusters,
        "ipCount": summary.instances,
        "healthyInstanceCount": summary.healthy,
        "triggerFlag": summary.is_threshold_reached.to_string(),
    }))
}

fn service_metadata(face: &Face, key: &ServiceKey) -> Value {
    let metadata = face.catalog.summary(key).map(|one| one.metadata);
    serde_json::to_value(AsMap(&metadata.unwrap_or_default())).unwrap_or_default()
}

fn with_hosts(face: &Face, key: &ServiceKey) -> Value {
    let service = grouped(key);
    let clusters = by_cluster(face, key, |instance| {
        serde_json::to_value(InstanceJson::of_instance(instance, &service)).unwrap_or_default()
    });
    let detail = face.catalog.service(key);
    let clusters = clusters.into_iter().map(|(name, hosts)| {
        let known = detail.iter().flat_map(|detail| &detail.clusters);
        let known = known.into_iter().find(|cluster| *cluster.name == *name);
        let cluster = json!({
            "clusterName": name,
            "healthyCheckPort": known.map_or(80, |cluster| cluster.check_port),
            "useInstancePortForCheck": known.is_none_or(|cluster| cluster.use_instance_port),
            "hosts": hosts,
        });
        (name, cluster)
    });
    let threshold = detail
        .as_ref()
        .map(|detail| detail.settings.protect_threshold);
    let kind = detail.as_ref().and_then(|detail| detail.kind);
    json!({
        "protectThreshold": threshold.unwrap_or(0.0),
        "ephemeral": kind.is_some_and(|kind| kind.is_ephemeral()),
        "namespaceId": key.namespace(),
        "serviceName": key.name(),
        "groupName": key.group(),
        "clusterMap": clusters.collect::<Map<_, _>>(),
        "metadata": service_metadata(face, key),
    })
}

fn by_cluster(
    face: &Face,
    key: &ServiceKey,
    show: impl Fn(&Instance) -> Value,
) -> BTreeMap<String, Vec<Value>> {
    let mut clusters = BTreeMap::<_, Vec<_>>::new();
    for instance in face.catalog.instances(key).unwrap_or_default() {
        let cluster = instance.registered.endpoint.cluster.to_string();
        clusters.entry(cluster).or_default().push(show(&instance));
    }
    clusters
}

/// The service that a call names; an error if it does not exist.
pub(super) fn existing(face: &Face, request: &Request<'_>) -> Result<ServiceKey, Fault> {
    let key = request.service()?;
    match face.catalog.summary(&key) {
        Some(_) => Ok(key),
        None => Err(Fault::NoService {
            at: At::Catalog,
            key,
        }),
    }
}
