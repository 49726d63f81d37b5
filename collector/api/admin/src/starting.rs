//! The admin face of a starting collector: alive, not ready, with its progress.

use axum::{Router, extract::State, response::IntoResponse, response::Response, routing::get};
use rollcall_server::face::Refusal;
use rollcall_service::{progress::Progress, readiness::Reasons};

use super::probes;

/// The probes, at the root and below `context_path`. Every other request is refused with a later retry.
pub fn router(progress: &Progress, context_path: &str) -> Router {
    let face = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(ready))
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
