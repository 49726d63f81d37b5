//! Clients as 2.x and 3.x list them: a connection, or the address of a registered instance.

use rollcall_domain::catalog::{Instance, Kind, Publisher, ServiceKey, Subscriber};
use serde_json::{Value, json};

use super::{
    Face,
    fault::{Fault, Generation},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};
use crate::render::grouped;

/// The most clients in a list.
const MAX_CLIENTS: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        GET "/v2/ns/client/list" Admin Complete list;
        GET "/v2/ns/client" Admin Complete get;
        GET "/v2/ns/client/publish/list" Admin Complete published;
        GET "/v2/ns/client/subscribe/list" Admin Complete subscribed;
        GET "/v2/ns/client/service/publisher/list" Read Complete publishers;
        GET "/v2/ns/client/service/subscriber/list" Read Complete subscribers;
        GET "/v3/admin/ns/client/list" Admin Complete list;
        GET "/v3/admin/ns/client" Admin Complete get;
        GET "/v3/admin/ns/client/publish/list" Admin Complete published;
        GET "/v3/admin/ns/client/subscribe/list" Admin Complete subscribed;
        GET "/v3/admin/ns/client/service/publisher/list" Read Complete publishers;
        GET "/v3/admin/ns/client/service/subscriber/list" Read Complete subscribers;
    }
    .into()
}

/// A client that a call names: a connection, named by its id, or an address, named as `ip:port#ephemeral`.
enum Client {
    Connection(rollcall_domain::catalog::ConnectionId),
    Address { ip: String, port: u16, kind: Kind },
}

impl Client {
    fn find(face: &Face, id: &str) -> Result<Self, Fault> {
        if let Some((connection, _)) = face.catalog.connection_named(id) {
            return Ok(Self::Connection(connection));
        }
        let parsed = || {
            let (address, ephemeral) = id.rsplit_once('#')?;
            let (ip, port) = address.rsplit_once(':')?;
            Some(Self::Address {
                ip: ip.to_owned(),
                port: port.parse().ok()?,
                kind: Kind::of(ephemeral == "true"),
            })
        };
        let client = parsed().filter(|client| !client.held(face).is_empty());
        client.ok_or_else(|| Fault::NoClient(id.chars().take(256).collect()))
    }

    fn publisher(&self) -> Publisher {
        match self {
            Self::Connection(id) => Publisher::Connection(*id),
            Self::Address { ip, port, .. } => Publisher::Address {
                ip: ip.as_str().into(),
                port: *port,
            },
        }
    }

    /// The instances that the client holds.
    fn held(&self, face: &Face) -> Vec<(ServiceKey, Instance)> {
        let mut held = face.catalog.published_by(&self.publisher());
        if let Self::Address { kind, .. } = self {
            held.retain(|(_, instance)| instance.registered.kind == *kind);
        }
        held
    }
}

/// The id of the client that holds an instance.
fn client_id(face: &Face, instance: &Instance) -> String {
    let address =
        |ip: &str, port: u16| format!("{ip}:{port}#{}", instance.registered.kind.is_ephemeral());
    match &instance.publisher {
        Publisher::Connection(id) => {
            let connection = face.catalog.connection(*id);
            connection.map_or_else(|| id.to_string(), |one| one.client_id.to_string())
        }
        Publisher::Address { ip, port } => address(ip, *port),
        Publisher::Operator | Publisher::Restored | Publisher::Member(_) => {
            let endpoint = &instance.registered.endpoint;
            address(&endpoint.ip, endpoint.port)
        }
    }
}

async fn list(face: &Face, _: &Request<'_>) -> Reply {
    let connections = face.catalog.connections(None, MAX_CLIENTS);
    let mut ids: Vec<String> = connections
        .iter()
        .map(|(_, connection)| connection.client_id.to_string())
        .collect();
    for publisher in face.catalog.publishers(MAX_CLIENTS) {
        // The clients of another collector are listed there.
        if matches!(publisher, Publisher::Connection(_) | Publisher::Member(_)) {
            continue;
        }
        let held = face.catalog.published_by(&publisher);
        ids.extend(held.iter().map(|(_, instance)| client_id(face, instance)));
    }
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(MAX_CLIENTS);
    Ok(reply::success(&ids))
}

async fn get(face: &Face, request: &Request<'_>) -> Reply {
    let id = request.params.required("clientId")?;
    let shown = match Client::find(face, id)? {
        Client::Connection(connection) => {
            let connection = face.catalog.connection(connection);
            let connection = connection.ok_or_else(|| Fault::NoClient(id.to_owned()))?;
            json!({
                "clientId": id,
                "ephemeral": true,
                "lastUpdatedTime": connection.opened_at.millis(),
                "clientType": "connection",
                "connectType": "GRPC",
                "appName": connection.app,
                "version": connection.version,
                "clientIp": connection.client_ip,
                "clientPort": port(request, connection.port),
            })
        }
        Client::Address { ip, port: at, kind } if request.generation == Generation::V3 => json!({
            "clientId": id,
            "ephemeral": kind.is_ephemeral(),
            "lastUpdatedTime": request.now_millis,
            "clientType": "ipPort",
            "connectType": null,
            "appName": null,
            "version": null,
            "clientIp": ip,
            "clientPort": at,
        }),
        Client::Address { ip, port: at, kind } => json!({
            "clientId": id,
            "ephemeral": kind.is_ephemeral(),
            "lastUpdatedTime": request.now_millis,
            "clientType": "ipPort",
            "clientIp": ip,
            "clientPort": port(request, at),
        }),
    };
    Ok(reply::success(&shown))
}

/// v2 writes the port as a text.
fn port(request: &Request<'_>, port: u16) -> Value {
    match request.generation {
        Generation::V3 => port.into(),
        Generation::V1 | Generation::V2 => port.to_string().into(),
    }
}

async fn published(face: &Face, request: &Request<'_>) -> Reply {
    let client = Client::find(face, request.params.required("clientId")?)?;
    let is_v3 = request.generation == Generation::V3;
    let held = client.held(face);
    let shown = held.iter().map(|(key, instance)| {
        let endpoint = &instance.registered.endpoint;
        if is_v3 {
            json!({
                "namespaceId": key.namespace(),
                "groupName": key.group(),
                "serviceName": key.name(),
                "publisherInfo": {
                    "clientId": client_id(face, instance),
                    "ip": endpoint.ip,
                    "port": endpoint.port,
                    "clusterName": endpoint.cluster,
                },
                "subscriberInfo": null,
            })
        } else {
            json!({
                "namespace": key.namespace(),
                "group": key.group(),
                "serviceName": key.name(),
                "registeredInstance": {
                    "ip": endpoint.ip,
                    "port": endpoint.port,
                    "cluster": endpoint.cluster,
                },
            })
        }
    });
    Ok(reply::success(&shown.collect::<Vec<_>>()))
}

async fn subscribed(face: &Face, request: &Request<'_>) -> Reply {
    let client = Client::find(face, request.params.required("clientId")?)?;
    let Client::Connection(connection) = client else {
        return Ok(reply::success(&Vec::<Value>::new()));
    };
    let subscriber = Subscriber::Connection(connection);
    let is_v3 = request.generation == Generation::V3;
    let shown = face.catalog.subscriptions_of(&subscriber);
    let shown = shown.iter().map(|one| {
        let (namespace, group) = if is_v3 {
            ("namespaceId", "groupName")
        } else {
            ("namespace", "group")
        };
        let address = face.catalog.connection(connection);
        let address = address.map(|one| format!("{}:{}", one.client_ip, one.port));
        json!({
            namespace: one.service.namespace(),
            group: one.service.group(),
            "serviceName": one.service.name(),
            "subscriberInfo": { "app": one.app, "agent": one.agent, "addr": address },
        })
    });
    Ok(reply::success(&shown.collect::<Vec<_>>()))
}

/// The clients that hold instances of a service, at one address if the call names one.
async fn publishers(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let (ip, port) = (request.params.get("ip"), request.params.port("port")?);
    let mut instances = face.catalog.instances(&key).unwrap_or_default();
    instances.retain(|instance| {
        let endpoint = &instance.registered.endpoint;
        ip.is_none_or(|ip| *endpoint.ip == *ip) && port.is_none_or(|port| endpoint.port == port)
    });
    let cluster = match request.generation {
        Generation::V3 => "clusterName",
        Generation::V1 | Generation::V2 => "cluster",
    };
    let shown = instances.iter().map(|instance| {
        let endpoint = &instance.registered.endpoint;
        json!({
            "clientId": client_id(face, instance),
            "ip": endpoint.ip,
            "port": endpoint.port,
            cluster: endpoint.cluster,
        })
    });
    Ok(reply::success(&shown.collect::<Vec<_>>()))
}

async fn subscribers(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let shown = face.catalog.subscribers_of(&key, MAX_CLIENTS);
    let shown = shown.iter().filter_map(|one| match &one.subscriber {
        Subscriber::Connection(id) => {
            let connection = face.catalog.connection(*id)?;
            Some(json!({
                "clientId": connection.client_id,
                "ip": connection.client_ip,
                "port": connection.port,
            }))
        }
        Subscriber::Udp { ip, port } => Some(json!({
            "clientId": format!("{ip}:{port}#{}", grouped(&key)), "ip": ip, "port": port
        })),
        Subscriber::Poller { .. } => None,
    });
    Ok(reply::success(&shown.collect::<Vec<_>>()))
}
