//! Answers requests in upstream's query protocol with an error in its format, so that its clients show the reason.

use axum::response::Response;
use rollcall_server::face::reply;
use serde::Serialize;

#[derive(Serialize)]
struct Body {
    data: Option<()>,
    errors: [Error; 1],
}

#[derive(Serialize)]
struct Error {
    message: &'static str,
}

const MESSAGE: &str = "Rollcall does not serve SkyWalking's GraphQL: call /api/applications, /api/instances or /readyz instead";

/// `/graphql`: an error for every query, with status 200 as in GraphQL. `swctl` shows the message, also for `health`.
pub(super) async fn refuse() -> Response {
    reply(&Body {
        data: None,
        errors: [Error { message: MESSAGE }],
    })
}
