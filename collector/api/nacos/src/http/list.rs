//! The instances of a service, for consumers.

use std::{net::IpAddr, sync::Arc};

use rollcall_catalog::{Encoded, Form, Interest, Outbox, Subscription};
use rollcall_domain::catalog::{Clusters, Rules, Selection, ServiceKey, Subscriber};
use serde_json::json;

use super::{
    Face,
    fault::{At, Fault, Generation},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};
use crate::{
    MAX_CLUSTERS,
    render::{self, grouped, v1::Rest, v2},
};

/// Lists with services named without their group, and with it: keys of the catalog's cache.
const BARE: Form = Form(0);
const GROUPED: Form = Form(1);
/// Lists of 2.x, and of 3.x.
const INFO: Form = Form(2);
const ARRAY: Form = Form(3);

pub(super) fn routes() -> Vec<Route> {
    routes! {
        GET "/v1/ns/instance/list" Read Complete list;
        GET "/v1/ns/api/srvIPXT" Read Complete list;
        GET "/v2/ns/instance/list" Read Complete list_v2;
        GET "/v3/client/ns/instance/list" Read Complete list_v3;
        GET "/v3/admin/ns/instance/list" Read Complete list_admin;
    }
    .into()
}

/// The list of 1.x. With `udpPort` it subscribes to pushes, whether the service exists or not.
async fn list(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let agent = request.agent();
    let clusters = request.clusters()?;
    let subscription = subscribe(face, request, &key, &clusters)?;
    if request.params.strict_flag("isCheck") {
        return Ok(reply::json(&json!({})));
    }
    let switches = face.catalog.switches();
    let cache_millis = if subscription.is_some() {
        switches.push_cache_millis
    } else {
        switches.default_cache_millis
    };
    let selection = Selection {
        clusters,
        healthy_only: request.params.strict_flag("healthyOnly"),
        rules: Rules::V1,
        ..Selection::default()
    };
    let is_grouped = agent.wants_grouped_names();
    let form = if is_grouped { GROUPED } else { BARE };
    let body = face.catalog.body(&key, &selection, form, |view| Encoded {
        head: render::v1::head(view, is_grouped).into(),
        ..Encoded::default()
    })?;
    if let (Some(subscription), false) = (&subscription, selection.healthy_only) {
        subscription.sent(body.revision);
    }
    if !body.exists {
        let clusters = selection.clusters.as_str();
        let empty = render::v1::empty(&grouped(&key), clusters, cache_millis);
        return Ok(reply::encoded(empty));
    }
    let rest = Rest {
        cache_millis,
        now_millis: body.stamp.millis(),
        env: request.params.text("env"),
    };
    let rest = render::v1::rest(rest).into();
    Ok(reply::in_parts([body.head, rest]))
}

/// Records the consumer. Returns its subscription if pushes reach it: it names a port for them, understands them, and acknowledges
/// them.
fn subscribe(
    face: &Face,
    request: &Request<'_>,
    key: &ServiceKey,
    clusters: &Clusters,
) -> Result<Option<Arc<Subscription>>, Fault> {
    let port = request.params.port("udpPort")?.unwrap_or(0);
    let client = request.params.text("clientIP");
    let app = request.app()?.unwrap_or("unknown");
    let interest = |subscriber| Interest {
        service: key,
        subscriber,
        clusters: clusters.clone(),
        agent: request.agent_text(),
        app,
    };
    let takes = port > 0 && request.agent().accepts_datagrams();
    if let Some(ip) = target(client, request.peer).filter(|_| takes)
        && face.catalog.switches().push_enabled
    {
        return Ok(face.push.subscribe(interest, (ip, port).into())?);
    }
    let Some(peer) = request.peer else {
        return Ok(None);
    };
    // Polls are recorded only for operators, so a poller that cannot be recorded is still answered. A poller is recorded by the
    // peer address of its connection, because the address that it reports can be any text, and a different one in each call.
    let ip = peer.to_canonical().to_string().into();
    let poller = interest(Subscriber::Poller { ip });
    if let Err(error) = face.catalog.subscribe(poller, &Outbox::default()) {
        tracing::debug!(%error, "poller not recorded");
    }
    Ok(None)
}

/// The address to which datagrams are sent: the one that the client reports, or the source address of its call.
///
/// The source address is used if the reported one is missing or unroutable, or if it is public and not the source of the call.
/// Otherwise a client could make this server send datagrams to any host on the internet.
fn target(client: &str, peer: Option<IpAddr>) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.to_canonical());
    let Some(client) = client.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()) else {
        return peer;
    };
    let is_usable = match client {
        IpAddr::V4(ip) if ip.is_loopback() => peer.is_none_or(|peer| peer.is_loopback()),
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) if ip.is_loopback() => peer.is_none_or(|peer| peer.is_loopback()),
        IpAddr::V6(ip) => ip.is_unique_local(),
    };
    if is_usable { Some(client) } else { peer }
}

/// The list of 2.x.
async fn list_v2(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let clusters = match request.params.short("clusterName", MAX_CLUSTERS)? {
        "" => request.clusters()?,
        clusters => Clusters::new(clusters),
    };
    let selection = Selection {
        clusters,
        healthy_only: request.params.strict_flag("healthyOnly"),
        ..Selection::default()
    };
    let body = face.catalog.body(&key, &selection, INFO, |view| {
        let (head, tail) = v2::info(view);
        Encoded {
            head: head.into(),
            tail: tail.into(),
        }
    })?;
    let stamp = body.stamp.millis().to_string().into();
    Ok(reply::in_parts([body.head, stamp, body.tail]))
}

/// The list of 3.x: an array of the enabled instances. A blank cluster means the default one.
async fn list_v3(face: &Face, request: &Request<'_>) -> Reply {
    array(face, &request.service()?, request, false)
}

/// As [`list_v3`], but for operators: an unknown service is an error.
async fn list_admin(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    if face.catalog.service(&key).is_none() {
        return Err(Fault::NoService {
            at: At::Catalog,
            key,
        });
    }
    array(face, &key, request, request.generation == Generation::V3)
}

fn array(face: &Face, key: &ServiceKey, request: &Request<'_>, with_disabled: bool) -> Reply {
    let selection = Selection {
        clusters: request.listed_clusters()?,
        healthy_only: request.params.strict_flag("healthyOnly"),
        with_disabled,
        ..Selection::default()
    };
    let body = face.catalog.body(key, &selection, ARRAY, |view| {
        let name = grouped(&view.key);
        let hosts = v2::hosts(view, &name);
        Encoded {
            head: reply::success_bytes(&hosts).into(),
            ..Encoded::default()
        }
    })?;
    Ok(reply::encoded(body.head))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users reported pushes that did not arrive: clients in containers and behind NAT report addresses that cannot be reached.
    #[test]
    fn datagrams_go_to_the_named_address_only_if_it_leads_to_the_client() {
        for (client, peer, expected) in [
            ("10.1.2.3", "192.168.1.1", Some("10.1.2.3")),
            ("127.0.0.1", "127.0.0.1", Some("127.0.0.1")),
            ("127.0.0.1", "10.0.0.9", Some("10.0.0.9")), // its own loopback, not ours
            ("", "10.0.0.9", Some("10.0.0.9")),
            ("my-laptop.local", "10.0.0.9", Some("10.0.0.9")),
            ("0.0.0.0", "10.0.0.9", Some("10.0.0.9")),
            ("203.0.113.7", "203.0.113.7", Some("203.0.113.7")),
            ("203.0.113.7", "198.51.100.1", Some("198.51.100.1")), // no datagrams to third parties
            ("::ffff:10.1.2.3", "10.0.0.9", Some("10.1.2.3")),
            ("fd00::1", "fe80::1", Some("fd00::1")),
            ("255.255.255.255", "10.0.0.9", Some("10.0.0.9")),
            ("224.0.0.1", "10.0.0.9", Some("10.0.0.9")),
            ("203.0.113.7", "", None),
        ] {
            let target = target(client, peer.parse().ok());
            let expected = expected.map(|ip| ip.parse().unwrap());
            assert_eq!(target, expected, "{client} {peer}");
        }
    }
}
