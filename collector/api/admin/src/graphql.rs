//! What is here instead of upstream's query protocol: an answer in its shape, so that its clients say what is wrong.

use axum::response::Response;
use rollcall_server::face::reply;
use serde::Serialize;

#[derive(Serialize)]
struct Answer {
    data: Option<()>,
    errors: [Error; 1],
}

#[derive(Serialize)]
struct Error {
    message: &'static str,
}

const MESSAGE: &str = "Rollcall does not speak SkyWalking's GraphQL: ask /api/applications, /api/instances or /readyz instead";

/// `/graphql`, whatever is asked: an error, with 200, as GraphQL has it. `swctl` shows the message, also for `health`.
pub(super) async fn refuse() -> Response {
    reply(&Answer {
        data: None,
        errors: [Error { message: MESSAGE }],
    })
}
