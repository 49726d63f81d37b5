//! The admin face of a starting collector: alive, not ready, with its progress.

use axum::{
    Router,
    extract::State,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use rollcall_server::face::Refusal;
use rollcall_service::{progress::Progress, readiness::Reasons};

use super::{console, probes, secure};

/// The probes and the console, at the root and below `context_path`. Every other request is refused with a later retry.
pub fn router(progress: &Progress, context_path: &str) -> Router {
    let face = console::files()
        .route("/livez", get(probes::live))
        .route("/readyz", get(ready))
        .route_layer(map_response(secure))
        .with_state(progress.clone());
    let router = match context_path {
        "/" => face,
        path => Router::new().nest(path, face.clone()).merge(face),
    };
    router.fallback(starting)
}

async fn ready(State(progress): State<Progress>) -> Response {
    probes::unready(Reasons::from([("starting", progress.to_string().into())]))
}

async fn starting() -> Response {
    Refusal::overloaded("this collector is starting and does not serve yet").into_response()
}
