//! Serves the list of collectors, which agents request often.
//!
//! A list is encoded when the view changes, not for each request. [`FastPath`] answers `GET` in front of the router. The router has
//! the same routes, for all other methods and for listeners without a fast path.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{
        HeaderValue, Method, Request, Response,
        header::{ALLOW, CONTENT_TYPE},
    },
    routing::get,
};
use bytes::Bytes;
use futures_util::future::{Either, MapOk, TryFutureExt as _};
use http_body_util::Full;
use hyper::service::Service;
use rollcall_metrics::{Call, Metrics, Outcome, Protocol};
use rollcall_server::face::{AnswerBody, JSON, below, wrong_method};
use rollcall_service::{
    Services,
    naming::{Handle, List},
};

/// Upstream's paths (proto/docs/skywalking.md section 2.2); agents up to 3.2.4 use the last one instead of the first.
const PATHS: [(&str, List); 4] = [
    ("/agent/gRPC", List::AgentGrpc),
    ("/agent/jetty", List::AgentJetty),
    ("/ui/jetty", List::Ui),
    ("/agentstream/grpc", List::AgentGrpc),
];

/// One path, with everything that an answer needs.
#[derive(Debug)]
struct Route {
    path: String,
    list: List,
    call: Call,
    naming: Handle,
}

/// The naming face below `context_path`.
pub fn router(services: &Services, context_path: &str) -> Router {
    routes(services, context_path)
        .fold(Router::new(), |router, route| {
            let path = route.path.clone();
            let route = get(answer).options(options).with_state(Arc::new(route));
            router.route(&path, route)
        })
        .method_not_allowed_fallback(wrong_method)
}

async fn answer(State(route): State<Arc<Route>>) -> Response<Full<Bytes>> {
    route.answer()
}

/// Answers `OPTIONS` with the methods of the path, as Jetty's servlets do.
async fn options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let methods = HeaderValue::from_static("GET,HEAD,OPTIONS");
    response.headers_mut().insert(ALLOW, methods);
    response
}

/// Answers the `GET`s of the naming face itself and forwards all other requests. So a `GET` does not pay for a clone of the shared
/// router and for a boxed body, which together take 13 % of its processor time (tests/benches/RESULTS.md).
#[derive(Clone, Debug)]
pub struct FastPath<S> {
    inner: S,
    routes: Arc<[Route]>,
}

impl<S> FastPath<S> {
    /// Wraps `inner` with the naming face below `context_path`. `None` means that this listener has no naming face.
    pub fn new(services: &Services, context_path: Option<&str>, inner: S) -> Self {
        Self {
            inner,
            routes: context_path
                .into_iter()
                .flat_map(|path| routes(services, path))
                .collect(),
        }
    }
}

impl<S, B> Service<Request<B>> for FastPath<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<AnswerBody>;
    type Error = S::Error;
    type Future = Either<
        Ready<Result<Response<AnswerBody>, S::Error>>,
        MapOk<S::Future, fn(Response<Body>) -> Response<AnswerBody>>,
    >;

    fn call(&self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let route = self.routes.iter().find(|route| route.path == path);
        match route {
            Some(route) if request.method() == Method::GET => {
                Either::Left(ready(Ok(route.answer().map(AnswerBody::Left))))
            }
            _ => {
                let boxed = |response: Response<Body>| response.map(AnswerBody::Right);
                Either::Right(self.inner.call(request).map_ok(boxed))
            }
        }
    }
}

// === impl Route ===

impl Route {
    fn answer(&self) -> Response<Full<Bytes>> {
        self.call.count(Outcome::Ok);
        let mut response = Response::new(Full::new(self.naming.body(self.list)));
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    }
}

fn routes(services: &Services, context_path: &str) -> impl Iterator<Item = Route> {
    let count = |metrics: &Metrics, path| metrics.call(Protocol::Http, path);
    PATHS.into_iter().map(move |(path, list)| Route {
        path: below(context_path, path),
        list,
        call: count(&services.metrics, path),
        naming: services.naming.clone(),
    })
}
