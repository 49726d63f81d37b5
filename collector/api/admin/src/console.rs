//! The console: a page for people that reads the query API. Its files are built from `console/` and embedded, so it works without
//! any other server. The files contain no data and are served without credentials; the page prompts the user for them.

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

/// Allows scripts, styles and calls from this collector only. Forbids inline code, frames around the page, and forms.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                                 base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/// The files of the console.
pub(super) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(page))
        .route("/console/console.js", get(script))
        .route("/console/console.css", get(style))
        .route("/console/icon.svg", get(icon))
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
}

async fn page() -> Response {
    file(
        "text/html; charset=utf-8",
        include_str!("../console/dist/index.html"),
    )
}

async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../console/dist/console.js"),
    )
}

async fn style() -> Response {
    file(
        "text/css; charset=utf-8",
        include_str!("../console/dist/console.css"),
    )
}

async fn icon() -> Response {
    file("image/svg+xml", include_str!("../console/dist/icon.svg"))
}

fn file(kind: &'static str, content: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], content).into_response()
}
