//! A fake of an upstream collector's HTTP registration, which answers as upstream's servlets do.
//!
//! No package registry has upstream's collectors of 3.2.6 and 5.x, so the answers follow `proto/docs/skywalking.md`, section 2.3: a
//! new name gets its id only after the answer, a 5.x address is only looked up, and a missing field is a server error.

use std::{collections::BTreeSet, convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// The ids of the next new name of each kind.
pub(crate) const APPLICATION: i32 = -412;
pub(crate) const INSTANCE: i32 = 9021;
pub(crate) const OPERATION: i32 = 77_120;

/// The release of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    V3,
    V5,
}

/// A running fake collector.
pub(crate) struct Java {
    pub(crate) address: SocketAddr,
    _connections: JoinSet<()>,
}

impl Java {
    pub(crate) async fn start(release: Release) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let registered = Arc::<Mutex<BTreeSet<String>>>::default();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let registered = Arc::clone(&registered);
                let service =
                    service_fn(move |request| answer(release, Arc::clone(&registered), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                open.spawn(async move { drop(connection.await) });
            }
        });
        Self {
            address,
            _connections: connections,
        }
    }
}

async fn answer(
    release: Release,
    registered: Arc<Mutex<BTreeSet<String>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await;
    let body = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
    // By the next call, the writer behind the servlet has assigned the id.
    let is_assigned = !registered.lock().insert(path.clone());
    let answer = body.and_then(|body: Value| match &*path {
        "/application/register" => applications(&body, is_assigned),
        "/instance/register" => instance(release, &body, is_assigned),
        "/servicename/discovery" => operations(release, &body, is_assigned),
        "/networkAddress/register" if release == Release::V5 => addresses(&body),
        _ => None,
    });
    let mut response = Response::new(Full::default());
    match answer {
        Some(answer) => *response.body_mut() = answer.to_string().into(),
        None => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    Ok(response)
}

fn applications(codes: &Value, is_assigned: bool) -> Option<Value> {
    let id = if is_assigned { APPLICATION } else { 0 };
    let codes = codes.as_array()?.iter();
    Some(codes.map(|code| json!({"c": code, "i": id})).collect())
}

/// Answers the registration of an instance. 5.x fails for an unknown application.
fn instance(release: Release, process: &Value, is_assigned: bool) -> Option<Value> {
    let application = process["ai"].as_i64()?;
    process["au"].as_str()?;
    process["rt"].as_i64()?;
    process["oi"].as_object()?;
    if release == Release::V5 && application != i64::from(APPLICATION) {
        return None;
    }
    let id = if is_assigned { INSTANCE } else { 0 };
    Some(json!({"ai": application, "ii": id}))
}

/// Answers the registration of operations. Elements without an id are left out of the answer.
fn operations(release: Release, elements: &Value, is_assigned: bool) -> Option<Value> {
    let elements = elements.as_array()?;
    for element in elements {
        element["ai"].as_i64()?;
        element["sn"].as_str()?;
        if release == Release::V5 {
            element["st"].as_i64()?;
        }
    }
    let known = elements.iter().filter(|_| is_assigned);
    Some(
        known
            .map(|element| json!({"si": OPERATION, "el": element}))
            .collect(),
    )
}

fn addresses(addresses: &Value) -> Option<Value> {
    let addresses = addresses.as_array()?.iter();
    Some(
        addresses
            .map(|address| json!({"i": 0, "n": address}))
            .collect(),
    )
}
