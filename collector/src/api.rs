//! The protocol faces. Each is thin: it converts what came over the wire, calls one use case of
//! [`service`](crate::service), and converts the answer back. What an error is on the wire is decided in [`status`] for all.

use axum::{
    http::{HeaderMap, Uri},
    response::Response,
};

pub mod grpc;
pub mod http;
pub mod status;
mod token;

pub use token::Token;

/// What a listener answers where none of its faces has a route: `UNIMPLEMENTED` to gRPC, 404 to others.
pub async fn not_found(headers: HeaderMap, uri: Uri) -> Response {
    match grpc::not_found(&headers) {
        Some(refusal) => refusal,
        None => http::not_found(uri).await,
    }
}
