//! gRPC and HTTP on one listener.
//!
//! The content type selects one of two routers. So a gRPC method is reached only with gRPC's content type, which a web page of
//! another origin cannot send, and neither protocol pays for the routes of the other.

use std::convert::Infallible;

use axum::{
    BoxError, Router,
    http::{Method, Request, Uri},
    response::Response,
    routing::future::RouteFuture,
};
use bytes::Bytes;
use http_body::Body;
use hyper::service::Service;
use tonic::Status;

use super::refusal::{not_found, not_grpc};
use crate::message::is_grpc;

/// Two routers; the content type of a request selects one. Cheap to clone.
///
/// `with_state` turns the handlers of a router into services. Without it axum would do so for each request.
#[derive(Clone, Debug)]
pub struct Dispatch {
    grpc: Router,
    http: Router,
}

impl Dispatch {
    /// Routes gRPC to `grpc` and everything else to `http`, both without a fallback.
    #[must_use]
    pub fn new(grpc: Router, http: Router) -> Self {
        let is_grpc_here = grpc.has_routes();
        let unknown = move |method: Method, uri: Uri| async move {
            if is_grpc_here && method == Method::POST && names_a_service(uri.path()) {
                not_grpc()
            } else {
                not_found(uri).await
            }
        };
        Self {
            grpc: grpc.fallback(no_such_service).with_state(()),
            http: http.fallback(unknown).with_state(()),
        }
    }

    /// Routes gRPC to `grpc`, and everything else to `http`, which has its own fallback.
    #[must_use]
    pub fn with_own_fallback(grpc: Router, http: Router) -> Self {
        Self {
            grpc: grpc.fallback(no_such_service).with_state(()),
            http: http.with_state(()),
        }
    }

    /// The routes of a listener until the collector serves: `http`, and `UNAVAILABLE` for every gRPC call.
    #[must_use]
    pub fn starting(http: Router) -> Self {
        Self {
            grpc: Router::new().fallback(starting),
            http,
        }
    }
}

impl<B> Service<Request<B>> for Dispatch
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let router = if is_grpc(request.headers()) {
            &self.grpc
        } else {
            &self.http
        };
        // A router is always ready, and its clone is a pointer.
        tower::Service::call(&mut router.clone(), request)
    }
}

/// Refuses a gRPC call because the collector does not serve yet.
async fn starting() -> Response {
    Status::unavailable("this collector is starting and does not serve yet").into_http()
}

/// Refuses a gRPC call of a service that this listener does not have.
pub async fn no_such_service() -> Response {
    Status::unimplemented("this collector does not serve this service").into_http()
}

/// Whether a path names a gRPC method: no path of the HTTP faces begins with a capital letter or has a dot in its first
/// segment.
fn names_a_service(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let service = parts.next().unwrap_or_default();
    let is_service =
        service.contains('.') || service.starts_with(|first: char| first.is_ascii_uppercase());
    is_service && parts.next().is_some()
}

#[cfg(test)]
mod tests;
