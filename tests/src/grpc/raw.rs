//! Calls with bodies that no generated client sends.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tonic::Code;

/// The timeout of a reply.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends `body` unchanged, frame header included, to a method such as `/Service/method`, on its own connection.
///
/// # Errors
/// The failure of the connection, if there was no gRPC status.
pub async fn call(server: SocketAddr, method: &str, body: Bytes) -> Result<Code, String> {
    let client = legacy::Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let request = Request::post(format!("http://{server}{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(body))
        .expect("a valid request");
    let exchange = async {
        let (head, body) = client
            .request(request)
            .await
            .map_err(|error| format!("{error:?}"))?
            .into_parts();
        let trailers = body
            .collect()
            .await
            .map_err(|error| format!("{error:?}"))?
            .trailers()
            .cloned();
        let status = trailers
            .as_ref()
            .and_then(|trailers| trailers.get("grpc-status"));
        let status = status.or_else(|| head.headers.get("grpc-status"));
        status
            .map(|status| Code::from_bytes(status.as_bytes()))
            .ok_or_else(|| format!("no status: {head:?}"))
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| format!("no reply within {TIMEOUT:?}"))?
}

/// An uncompressed gRPC frame with this length in its header, followed by these bytes, which may be fewer than `length`.
pub fn frame(length: u32, bytes: &[u8]) -> Bytes {
    [&[0], &length.to_be_bytes()[..], bytes].concat().into()
}
