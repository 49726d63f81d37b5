//! The Nacos services: lists for people, and as clients see them.

use std::sync::Arc;

use axum::{extract::State, http::Uri, response::Response};
use rollcall_catalog::{
    Catalog, Error, ServiceKey,
    domain::{Clusters, Instance, Kind, Selection},
};
use rollcall_server::face::{Refusal, reply};
use serde::Serialize;

use super::{
    Face,
    list::{self, PageRequest},
    parameters::Parameters,
};

mod change;
pub(super) mod name;
mod refusal;
mod view;

pub(super) use change::{clear_override, delete_service, deregister, set_override, set_threshold};

/// `GET /api/namespaces`: `public` and the namespaces that operators created. Clients may use others without creating them.
pub(super) async fn namespaces(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["limit", "cursor"])?;
    let PageRequest { cursor, limit } = PageRequest::of(&parameters, offset)?;
    let catalog = face.catalog()?;
    let all = catalog.namespaces();
    let from = cursor.unwrap_or_default();
    part(&face, rest(&all, from), (from, limit), |namespace| {
        view::Namespace::of(namespace, catalog.services_in(&namespace.id))
    })
}

/// `GET /api/services`: those of all namespaces or of `namespace`, whose name or group contains `text`.
pub(super) async fn services(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["namespace", "text", "limit", "cursor"])?;
    let PageRequest { cursor, limit } = PageRequest::of(&parameters, name::cursor)?;
    let namespace = list::text(&parameters, "namespace")?;
    let text = list::text(&parameters, "text")?.map(|text| text.to_lowercase());
    let catalog = face.catalog()?;
    let contains = |part: &str, text: &str| part.to_lowercase().contains(text);
    // One more than `limit` shows whether there is a next page.
    let found = catalog
        .services_after(namespace.as_deref(), cursor, limit + 1, |listed| {
            let named =
                |it: &String| contains(listed.key.name(), it) || contains(listed.key.group(), it);
            text.as_ref().is_none_or(named)
        })
        .await
        .map_err(refusal::of)?;
    let mut page = face.pages.begin();
    let mut last = None;
    for key in found.iter().take(limit) {
        // A service that vanished meanwhile is left out.
        if let Some(summary) = catalog.summary(key) {
            let item = view::Service::of(&summary);
            if page.add(name::text(key), &item)?.is_break() {
                break;
            }
        }
        last = Some(key);
    }
    let next = last.filter(|_| found.len() > limit);
    page.end(next.map(name::text))
}

/// `GET /api/services/detail`: one service with all its settings.
pub(super) async fn detail(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &name::PARAMETERS)?;
    let key = name::key(&parameters)?;
    let catalog = face.catalog()?;
    let found = catalog.service(&key).zip(catalog.summary(&key));
    let (detail, summary) = found.ok_or_else(|| refusal::of(missing()))?;
    Ok(reply(&view::Detail::of(&detail, &summary)))
}

fn missing() -> Error {
    Error::NotFound(rollcall_catalog::NotFound::Service)
}

/// `GET /api/services/instances`: the instances of a service with their true state. If the request names `ip`, `port` and
/// `cluster`, only the instance there. With `as=client`, the instances as a 2.x or 3.x client receives them.
pub(super) async fn instances(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let known = [
        "namespace",
        "group",
        "service",
        "ip",
        "port",
        "cluster",
        "ephemeral",
        "as",
        "clusters",
        "limit",
        "cursor",
    ];
    let parameters = Parameters::of(&uri, &known)?;
    let key = name::key(&parameters)?;
    let PageRequest { cursor, limit } = PageRequest::of(&parameters, offset)?;
    let from = cursor.unwrap_or_default();
    let catalog = face.catalog()?;
    let _permit = face.list_permit().await?;
    match parameters.get("as") {
        None => parameters.refuse(&["clusters"], "needs as=client")?,
        Some("client") => return as_client(&face, catalog, &key, &parameters, (from, limit)),
        Some(_) => return Err(Refusal::invalid("as", "must be client, or left out")),
    }
    let found = match parameters.get("ip") {
        None => {
            parameters.refuse(&["port", "cluster", "ephemeral"], "needs ip and port")?;
            // One more shows whether there is a next page.
            let found = catalog.instances_from(&key, from, limit.saturating_add(1));
            found.map_err(refusal::of)?
        }
        Some(_) => {
            let found = one(catalog, &key, &parameters)?;
            found.into_iter().skip(from).collect()
        }
    };
    part(&face, &found, (from, limit), |instance| {
        view::Instance::of(catalog, instance)
    })
}

/// The instance that the parameters name, if it exists.
fn one(
    catalog: &Catalog,
    key: &ServiceKey,
    parameters: &Parameters,
) -> Result<Vec<Instance>, Refusal> {
    let endpoint = name::endpoint(parameters)?;
    let kind = name::ephemeral(parameters)?.map(Kind::of);
    match catalog.instance(key, &endpoint, kind) {
        Ok(instance) => Ok(vec![instance]),
        Err(Error::NotFound(_)) => Ok(Vec::new()),
        Err(error) => Err(refusal::of(error)),
    }
}

fn as_client(
    face: &Face,
    catalog: &Catalog,
    key: &ServiceKey,
    parameters: &Parameters,
    (from, limit): (usize, usize),
) -> Result<Response, Refusal> {
    let others = ["ip", "port", "cluster", "ephemeral"];
    parameters.refuse(
        &others,
        "has no effect beside as=client, which takes clusters",
    )?;
    let selection = Selection {
        clusters: Clusters::new(parameters.get("clusters").unwrap_or_default()),
        ..Selection::default()
    };
    let view = catalog.query(key, &selection).map_err(refusal::of)?;
    part(face, rest(&view.hosts, from), (from, limit), view::Host::of)
}

/// `GET /api/services/subscribers`: the clients that subscribe to a service.
pub(super) async fn subscribers(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let known = ["namespace", "group", "service", "limit", "cursor"];
    let parameters = Parameters::of(&uri, &known)?;
    let key = name::key(&parameters)?;
    let PageRequest { cursor, limit } = PageRequest::of(&parameters, offset)?;
    let from = cursor.unwrap_or_default();
    let catalog = face.catalog()?;
    let _permit = face.list_permit().await?;
    let all = catalog.subscribers_of(&key, from.saturating_add(limit).saturating_add(1));
    part(&face, rest(&all, from), (from, limit), |subscription| {
        view::Subscriber::of(catalog, subscription)
    })
}

/// A page of a list: at most `limit` of these items. `from` is the position of the first item; the cursor of an item is its
/// position.
fn part<'a, T, V: Serialize>(
    face: &Face,
    items: &'a [T],
    (from, limit): (usize, usize),
    item: impl Fn(&'a T) -> V,
) -> Result<Response, Refusal> {
    let mut page = face.pages.begin();
    let mut added = 0;
    for listed in items.iter().take(limit) {
        if page.add(from + added + 1, &item(listed))?.is_break() {
            break;
        }
        added += 1;
    }
    page.end((added < items.len()).then_some(from + added))
}

/// A list from a position on.
fn rest<T>(list: &[T], from: usize) -> &[T] {
    list.get(from..).unwrap_or_default()
}

/// A position in a list.
fn offset(text: &str) -> Option<usize> {
    text.parse().ok()
}

// === impl Face ===

impl Face {
    /// The catalog.
    ///
    /// # Errors
    /// 404: the Nacos faces are off.
    pub(super) fn catalog(&self) -> Result<&Catalog, Refusal> {
        self.sources.catalog.as_ref().ok_or_else(refusal::off)
    }
}
