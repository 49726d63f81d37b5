//! The console: a page for people that reads the query API. Its files are built from `console/` and embedded, so it works without
//! any other server. They hold no data, and are served without a credential: the page asks for it.

use axum::{
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

/// Scripts, styles and calls from this collector only, nothing inline, no frame around the page, and no form that leaves it.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                                 base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/// `GET /`
pub(super) async fn page() -> Response {
    file(
        "text/html; charset=utf-8",
        include_str!("../console/dist/index.html"),
    )
}

/// `GET /console/console.js`
pub(super) async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../console/dist/console.js"),
    )
}

/// `GET /console/console.css`
pub(super) async fn style() -> Response {
    file(
        "text/css; charset=utf-8",
        include_str!("../console/dist/console.css"),
    )
}

/// `GET /console/icon.svg`
pub(super) async fn icon() -> Response {
    file("image/svg+xml", include_str!("../console/dist/icon.svg"))
}

fn file(kind: &'static str, content: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], content).into_response()
}
