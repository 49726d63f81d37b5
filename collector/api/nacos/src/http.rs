//! The HTTP face: the calls of v1, v2 and v3 under one context path.
//!
//! A call is looked up in a table, its parameters are read and its caller is checked. Then a handler calls the catalog and
//! answers with the texts of the call's generation. `fault` has the answers of each generation to refused calls.
//!
//! The face holds no state. Bodies are bounded; the server stack limits the time of a request.

use std::{fmt, net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract,
    http::{
        HeaderMap, HeaderName, Method, Response,
        header::{AUTHORIZATION, HeaderValue},
    },
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use rollcall_catalog::Catalog;
use rollcall_limits::Peer;
use tokio::time::Instant;

use crate::{auth::Auth, udp::Push};

mod batch;
mod beat;
mod body;
mod checker;
mod client;
mod core;
mod fault;
mod form;
mod health;
mod instance;
mod legacy;
mod list;
mod login;
mod machine;
mod members;
mod metadata;
mod metrics;
mod namespace;
mod operations;
mod operator;
mod overrides;
mod page;
mod params;
mod registration;
mod reply;
mod request;
mod routes;
mod service;
mod services;
mod switches;

use fault::{Call, Fault, Generation};
use params::Params;
use reply::Reply;
use request::Request;
use routes::{Access, Known, Routes, While};

pub use metrics::Metrics;

/// The configuration of this face.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The prefix of every path; begins with a slash and does not end with one. Empty: none.
    pub context_path: String,
    /// The largest body of a call, in bytes.
    pub max_body_size: usize,
    /// The most bytes of the metadata of one instance.
    pub max_metadata: usize,
    /// The host under which lists of servers name this collector: a name or an address.
    pub host: String,
    /// The port of this face.
    pub port: u16,
}

/// The calls and their dependencies.
pub(crate) struct Face {
    catalog: Catalog,
    auth: Auth,
    push: Push,
    metrics: Metrics,
    settings: Settings,
    machine: machine::Machine,
    routes: Routes,
}

/// The router of all calls. `peer` returns the address of a call's peer if it is known. The router calls it while it handles the
/// call.
pub fn router<P>(
    catalog: Catalog,
    auth: Auth,
    push: Push,
    metrics: Metrics,
    settings: Settings,
    peer: P,
) -> Router
where
    P: Fn() -> Option<IpAddr> + Clone + Send + Sync + 'static,
{
    let routes = Routes::new(all_routes(), &metrics);
    let face = Arc::new(Face {
        catalog,
        auth,
        push,
        metrics,
        settings,
        machine: machine::Machine::default(),
        routes,
    });
    Router::new().fallback(move |request: extract::Request| async move {
        face.answer(request, peer()).await
    })
}

fn all_routes() -> impl Iterator<Item = routes::Route> {
    let resources = [
        batch::routes(),
        beat::routes(),
        client::routes(),
        core::routes(),
        health::routes(),
        instance::routes(),
        legacy::routes(),
        list::routes(),
        login::routes(),
        members::routes(),
        namespace::routes(),
        operator::routes(),
        overrides::routes(),
        service::routes(),
        services::routes(),
    ];
    resources.into_iter().flatten()
}

impl Face {
    /// The catalog for the changes that the caller of a request makes.
    fn catalog_for(&self, request: &Request<'_>) -> Catalog {
        self.catalog.for_peer(request.peer.map(Peer::new))
    }

    async fn answer(&self, request: extract::Request, peer: Option<IpAddr>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let inner = path
            .strip_prefix(&*self.settings.context_path)
            .filter(|inner| inner.is_empty() || inner.starts_with('/'));
        let call = Call {
            generation: inner.map_or(Generation::V1, routes::generation),
            method: &parts.method,
            path,
            now_millis: self.catalog.wall().millis(),
        };
        let mut measured = None;
        let answered = async {
            let inner = inner.ok_or(Fault::Unknown)?;
            let form = self.form(&parts.method, &parts.headers, body).await?;
            let (known, rest) = self.routes.find(&parts.method, inner)?;
            let Known { route, .. } = known;
            measured = Some((&known.durations, Instant::now()));
            let request = Request {
                generation: call.generation,
                method: &parts.method,
                rest,
                params: Params::parse(parts.uri.query().unwrap_or_default(), &form),
                headers: &parts.headers,
                peer,
                now_millis: call.now_millis,
            };
            self.admit(route, &request).await?;
            let reply = (route.handler)(self, &request).await;
            if known.is_operation && reply.is_ok() {
                operations::log(route, &request);
            }
            reply
        };
        let reply: Reply = answered.await;
        let response = reply.unwrap_or_else(|fault| fault.answer(call));
        self.metrics.called(call.generation, response.status());
        if let Some((durations, start)) = measured {
            metrics::took(durations, response.status(), start.elapsed());
        }
        response
    }

    /// The form in a body; empty if there is none.
    async fn form(&self, method: &Method, headers: &HeaderMap, body: Body) -> Result<Bytes, Fault> {
        if method == Method::GET || method == Method::HEAD {
            return Ok(Bytes::new());
        }
        let limit = self.settings.max_body_size;
        match Limited::new(body, limit).collect().await {
            Ok(body) => form::of(headers, body.to_bytes()),
            Err(_too_large) => Err(Fault::TooLarge { limit }),
        }
    }

    /// Checks whether the caller may make this call, and whether it can be answered now.
    async fn admit(&self, route: &routes::Route, request: &Request<'_>) -> Result<(), Fault> {
        if route.access != Access::Open {
            let caller = self
                .auth
                .identify(request.peer, request.credentials(), request.now_seconds())
                .await?;
            match route.access {
                Access::Right(action, touches) if self.auth.is_on() => {
                    let (namespace, group) = request.touched(touches)?;
                    caller.check(action, &namespace, &group)?;
                }
                Access::Right(..) => {}
                Access::Admin | Access::Open => caller.check_admin()?,
            }
        }
        if route.answered == While::Complete && !self.catalog.is_complete() {
            return Err(Fault::Loading);
        }
        match route.access {
            Access::Right(..) => self.check_status(request),
            // An operator must be able to change the status again.
            Access::Admin | Access::Open => Ok(()),
        }
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").finish_non_exhaustive()
    }
}

/// A token as a header, for clients that read it there.
fn bearer(token: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    Some((AUTHORIZATION, value))
}

#[cfg(test)]
mod tests;
