//! The instances of a cluster, and the subscribers of services, as consoles list them.

use std::{collections::HashSet, sync::Arc};

use rollcall_catalog::Subscription;
use rollcall_domain::catalog::{Instance, MetadataChange, Override, ServiceKey, Subscriber};
use serde_json::{Value, json};

use super::{
    Face,
    fault::{Fault, Generation},
    page::{self, Page},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
    services::existing,
};
use crate::render::{AsMap, Terms, grouped, place_id, v2::InstanceJson};

/// The most subscriptions that one call reads.
const MAX_SUBSCRIPTIONS: usize = 10_000;
/// The most services that one call reads.
const MAX_SERVICES: usize = 1_000;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        ANY "/v1/ns/catalog/instances" Read Complete instances;
        GET "/v2/ns/catalog/instances" Read Complete instances;
        GET "/v3/console/ns/instance/list" Read Complete instances_v3;
        GET "/v1/ns/service/subscribers" ReadNamespace Always subscribers;
        GET "/v3/admin/ns/service/subscribers" ReadNamespace Always subscribers;
        GET "/v3/console/ns/service/subscribers" ReadNamespace Always subscribers;
    }
    .into()
}

/// The instances of a cluster with their true health, including disabled ones.
async fn instances(face: &Face, request: &Request<'_>) -> Reply {
    let key = existing(face, request)?;
    request.params.required("pageNo")?;
    request.params.required("pageSize")?;
    let page = Page::of(request, 0);
    let mut all = face.catalog.instances(&key)?;
    let is_v1 = request.generation == Generation::V1;
    if is_v1 {
        let cluster = request.params.required("clusterName")?;
        all.retain(|instance| *instance.registered.endpoint.cluster == *cluster);
        let is_known = || {
            let detail = face.catalog.service(&key);
            detail.is_some_and(|one| one.clusters.iter().any(|known| *known.name == *cluster))
        };
        if all.is_empty() && !is_known() {
            return Err(Fault::NoCluster(cluster.to_owned()));
        }
    }
    let (count, service) = (all.len(), grouped(&key));
    let shown = page.cut(all).into_iter().map(|instance| {
        if is_v1 {
            shown(face, &instance, &service)
        } else {
            serde_json::to_value(InstanceJson::of_instance(&instance, &service)).unwrap_or_default()
        }
    });
    let list: Vec<_> = shown.collect();
    Ok(if is_v1 {
        reply::json(&json!({ "list": list, "count": count }))
    } else {
        reply::success(&json!({ "instances": list, "count": count }))
    })
}

/// As [`instances`], in pages of 3.x.
async fn instances_v3(face: &Face, request: &Request<'_>) -> Reply {
    let key = existing(face, request)?;
    let page = Page::of(request, 100);
    let mut all = face.catalog.instances(&key)?;
    if let Some(cluster) = request.params.get("clusterName") {
        all.retain(|instance| *instance.registered.endpoint.cluster == *cluster);
    }
    let (total, service) = (all.len(), grouped(&key));
    let items = page.cut(all).into_iter().map(|instance| {
        serde_json::to_value(InstanceJson::of_instance(&instance, &service)).unwrap_or_default()
    });
    Ok(reply::success(&page::v3(page, total, items.collect())))
}

fn shown(face: &Face, instance: &Instance, service: &str) -> Value {
    let registered = &instance.registered;
    let endpoint = &registered.endpoint;
    let metadata = instance.metadata();
    let terms = Terms::of(&metadata);
    let last_beat = face.catalog.last_beat(instance.reference);
    let id = match &registered.instance_id {
        Some(id) => id.to_string(),
        None => place_id(&endpoint.ip, endpoint.port, &endpoint.cluster, service),
    };
    let mut shown = json!({
        "instanceId": id,
        "ip": endpoint.ip,
        "port": endpoint.port,
        "weight": instance.weight(),
        "healthy": registered.healthy,
        "enabled": instance.enabled(),
        "ephemeral": registered.kind.is_ephemeral(),
        "clusterName": endpoint.cluster,
        "serviceName": service,
        "metadata": AsMap(&metadata),
        "lastBeat": last_beat.map_or(0, rollcall_domain::Timestamp::millis),
        "marked": false,
        "app": registered.app.as_deref().unwrap_or("DEFAULT"),
        "instanceHeartBeatInterval": terms.interval,
        "instanceHeartBeatTimeOut": terms.unhealthy_after,
        "ipDeleteTimeout": terms.removed_after,
    });
    if let (true, Some(shown)) = (metadata.is_empty(), shown.as_object_mut()) {
        shown.insert("instanceIdGenerator".to_owned(), "simple".into());
    }
    if let (Some(set), Some(shown)) = (&instance.overridden, shown.as_object_mut()) {
        shown.insert("overridden".to_owned(), overridden(set));
    }
    shown
}

/// The values that an operator set on an instance, and when. The reference has no such key; its consoles ignore it.
fn overridden(set: &Override) -> Value {
    let metadata = set.metadata.as_ref().map(|change| match change {
        MetadataChange::Replace(all) => json!({ "replace": AsMap(all) }),
        MetadataChange::Merge(some) => json!({ "merge": AsMap(some) }),
        MetadataChange::Remove(keys) => json!({ "remove": AsMap(keys) }),
    });
    json!({
        "enabled": set.enabled,
        "weight": set.weight,
        "metadata": metadata,
        "setAt": set.set_at.millis(),
    })
}

/// The subscribers of a service: by push, by connection, and by polling. Names are matched by substring, as in the reference.
async fn subscribers(face: &Face, request: &Request<'_>) -> Reply {
    let page = Page::of(request, 1_000);
    let wanted = request.service()?;
    let is_wanted = |key: &ServiceKey| {
        key.namespace() == wanted.namespace()
            && key.group().contains(wanted.group())
            && key.name().contains(wanted.name())
    };
    let services = face.catalog.subscribed_services(MAX_SERVICES, is_wanted);
    let mut all = Vec::new();
    for service in services {
        let room = MAX_SUBSCRIPTIONS.saturating_sub(all.len());
        all.extend(face.catalog.subscribers_of(&service, room));
    }
    let mut seen = HashSet::new();
    all.retain(|one| seen.insert(Consumer::of(face, one)));
    let total = all.len();
    let shown = page.cut(all).into_iter();
    let shown: Vec<_> = shown
        .map(|one| subscriber(&one, &Consumer::of(face, &one), request.generation))
        .collect();
    Ok(if request.generation == Generation::V1 {
        reply::json(&json!({ "subscribers": shown, "count": total }))
    } else {
        reply::success(&page::v3(page, total, shown))
    })
}

/// A subscriber as consoles list it. As in the reference, all connections of one application on one machine are one subscriber,
/// without a port.
#[derive(PartialEq, Eq, Hash)]
struct Consumer {
    service: ServiceKey,
    ip: Arc<str>,
    port: u16,
    agent: Arc<str>,
    app: Arc<str>,
}

impl Consumer {
    fn of(face: &Face, one: &Subscription) -> Self {
        let (ip, port) = match &one.subscriber {
            Subscriber::Udp { ip, port } => (ip.to_string().into(), *port),
            Subscriber::Poller { ip } => (Arc::clone(ip), 0),
            Subscriber::Connection(id) => {
                let connection = face.catalog.connection(*id);
                (
                    connection.map_or_else(Arc::default, |one| Arc::clone(&one.client_ip)),
                    0,
                )
            }
        };
        Self {
            service: one.service.clone(),
            ip,
            port,
            agent: Arc::clone(&one.agent),
            app: Arc::clone(&one.app),
        }
    }
}

fn subscriber(one: &Subscription, consumer: &Consumer, generation: Generation) -> Value {
    let Consumer {
        service, ip, port, ..
    } = consumer;
    if generation == Generation::V1 {
        let is_connection = matches!(one.subscriber, Subscriber::Connection(_));
        return json!({
            "addrStr": if is_connection { ip.to_string() } else { format!("{ip}:{port}") },
            "agent": one.agent,
            "app": one.app,
            "ip": ip,
            "port": port,
            "namespaceId": service.namespace(),
            "serviceName": grouped(service),
            "cluster": one.clusters.as_str(),
        });
    }
    json!({
        "namespaceId": service.namespace(),
        "groupName": service.group(),
        "serviceName": service.name(),
        "ip": ip,
        "port": port,
        "agent": one.agent,
        "appName": one.app,
    })
}
