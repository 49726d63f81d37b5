//! HTTP calls as Nacos clients and operators make them: with parameters in the query or in a form.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::http::Reply;

/// The timeout of one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one server, with pooled connections.
#[derive(Clone, Debug)]
pub struct Http {
    server: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Http {
    /// A client of `server`. It connects at the first call.
    pub fn new(server: SocketAddr) -> Self {
        Self {
            server,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Sends a request with header fields, and a form if there is one.
    ///
    /// # Errors
    /// The failure, if there was no complete reply in time.
    pub async fn call(
        &self,
        method: &str,
        path_and_query: &str,
        form: Option<String>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Reply, String> {
        let uri = format!("http://{}{path_and_query}", self.server);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Full::new(Bytes::from(form.unwrap_or_default()));
        let request = request.body(body).map_err(|error| error.to_string())?;
        let exchange = async {
            let reply = self.client.request(request).await;
            let (head, body) = reply.map_err(|error| format!("{error:?}"))?.into_parts();
            let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
            Ok(Reply {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        let within = tokio::time::timeout(TIMEOUT, exchange).await;
        within.map_err(|_| format!("no reply within {TIMEOUT:?}"))?
    }
}

/// Encodes parameters for a query or a form.
pub fn encoded<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = parameters.into_iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
