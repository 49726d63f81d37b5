//! A small HTTP/1.1 client that returns every reply, whatever its status.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;

/// The timeout of one request: longer than any default deadline of the collector.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The reply of a server.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When the body is not JSON of this shape, with the reply.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{error} in {} {:?}: {}",
                self.status,
                self.headers,
                self.text()
            )
        })
    }
}

/// A client of one server, with pooled connections; clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    server: SocketAddr,
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// A client of `server`. It connects at the first request.
    pub fn new(server: SocketAddr) -> Self {
        Self {
            server,
            client: legacy::Client::builder(TokioExecutor::new()).build_http(),
            authorization: None,
        }
    }

    /// The same client, with this `Authorization` in every request.
    ///
    /// # Panics
    /// When `authorization` is not a valid header value.
    pub fn authorized(mut self, authorization: &str) -> Self {
        let value = HeaderValue::from_str(authorization).expect("the value of a header field");
        self.authorization = Some(value);
        self
    }

    /// GET of `path`, which begins with a slash.
    ///
    /// # Errors
    /// The failure, if there was no complete reply within ten seconds.
    pub async fn get(&self, path: &str) -> Result<Reply, String> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// POST of a JSON text to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Reply, String> {
        self.send(Method::POST, path, body.into()).await
    }

    /// Any method.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Reply, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.server))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("a valid request");
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let (head, body) = self
                .client
                .request(request)
                .await
                .map_err(|error| format!("{error:?}"))?
                .into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| format!("{error:?}"))?
                .to_bytes();
            Ok(Reply {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .map_err(|_| format!("no reply within {TIMEOUT:?}"))?
    }
}
