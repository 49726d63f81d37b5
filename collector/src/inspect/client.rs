//! A client of the query API.
//!
//! An answer is bounded in size and time. A list is read page by page, so the client holds no more than one page.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

use axum::body::{self, Body};
use axum::http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, DATE},
};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use rollcall_runtime::Clock;
use serde_json::Value;
use tokio::time::timeout;

use super::{Error, connection::Connector, server::Server};

/// The largest answer, in bytes; a page of a list is far smaller.
const MAX_ANSWER: usize = 64 << 20;
/// The time for a whole answer, and for the head of a feed.
const ANSWER: Duration = Duration::from_secs(30);
/// The time for the answer to a change that takes as long as the collector's own limits allow.
const CHANGED: Duration = Duration::from_secs(24 * 60 * 60);
/// The most entries that a page may have.
const PAGE: &str = "1000";
/// The most pages of a list: far more than a collector can have.
const MAX_PAGES: usize = 1_000_000;

/// A client of one collector.
#[derive(Debug)]
pub(super) struct Client {
    server: Server,
    http: legacy::Client<Connector, Body>,
    /// The time of the last answer, by the collector's clock.
    answered: Cell<Option<Timestamp>>,
}

/// The pages of a list that are still to be read.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    client: &'a Client,
    path: String,
    is_optional: bool,
    /// The parameter with the cursor of the next page; `None` after the last one.
    next: Option<String>,
    /// The cursors that the collector has returned.
    seen: HashSet<String>,
}

impl Client {
    pub(super) fn new(server: Server, connector: Connector) -> Self {
        Self {
            server,
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
            answered: Cell::new(None),
        }
    }

    /// The time of the last answer by the collector's clock, so that ages are right even if the clock of this machine differs.
    /// Before the first answer, and after an answer without a time, the time of this machine.
    pub(super) fn now(&self) -> Timestamp {
        self.answered.get().unwrap_or_else(|| {
            let wall = Clock::start().wall().millis();
            Timestamp::from_millisecond(wall).unwrap_or_default()
        })
    }

    /// As [`Client::now`], but requests the time from the collector if there was no answer yet.
    pub(super) async fn time(&self) -> Result<Timestamp, Error> {
        if self.answered.get().is_none() {
            timeout(ANSWER, self.send(Method::GET, "/livez", &[]))
                .await
                .map_err(|_elapsed| self.late(ANSWER))??;
        }
        Ok(self.now())
    }

    /// GET of one object; `None` if the collector does not have it (404).
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, Error> {
        self.get_from(path, false).await
    }

    /// As [`Client::get`], but also returns `None` if the collector's release or configuration does not have the route.
    pub(super) async fn get_if_served(&self, path: &str) -> Result<Option<Value>, Error> {
        self.get_from(path, true).await
    }

    async fn get_from(&self, path: &str, is_optional: bool) -> Result<Option<Value>, Error> {
        match self.exchange(Method::GET, path, ANSWER).await? {
            (StatusCode::OK, Ok(value)) => Ok(Some(value)),
            (StatusCode::NOT_FOUND, Ok(Value::Object(answer)))
                if answer
                    .get("error")
                    .is_some_and(|error| error["field"] == "id") =>
            {
                Ok(None)
            }
            (StatusCode::NOT_FOUND, Ok(Value::Object(_))) if is_optional => Ok(None),
            (StatusCode::OK, Err(error)) => Err(self.failed(&error)),
            (status, value) => Err(self.refused(status, &value.unwrap_or_default())),
        }
    }

    /// POST without a body, which may take long.
    pub(super) async fn post(&self, path: &str) -> Result<Value, Error> {
        match self.exchange(Method::POST, path, CHANGED).await? {
            (StatusCode::OK, Ok(value)) => Ok(value),
            (StatusCode::OK, Err(error)) => Err(self.failed(&error)),
            (status, value) => Err(self.refused(status, &value.unwrap_or_default())),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        limit: Duration,
    ) -> Result<(StatusCode, serde_json::Result<Value>), Error> {
        let exchange = async {
            let response = self.send(method, path, &[]).await?;
            let status = response.status();
            let bytes = body::to_bytes(response.into_body(), MAX_ANSWER).await;
            let bytes = bytes.map_err(|error| self.failed(&error))?;
            Ok((status, serde_json::from_slice(&bytes)))
        };
        let exchanged = timeout(limit, exchange).await;
        exchanged.map_err(|_elapsed| self.late(limit))?
    }

    /// Reads a list page by page and passes each item to `take`. `query` has further parameters, each with `&` in front.
    pub(super) async fn list(
        &self,
        path: &str,
        query: &str,
        mut take: impl FnMut(Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut pages = self.pages(path, query);
        while let Some(page) = pages.next().await? {
            page.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// The pages of a list. `query` has further parameters, each with `&` in front.
    pub(super) fn pages(&self, path: &str, query: &str) -> Pages<'_> {
        Pages {
            client: self,
            path: format!("{path}?limit={PAGE}{query}"),
            is_optional: false,
            next: Some(String::new()),
            seen: HashSet::new(),
        }
    }

    /// As [`Client::pages`], but without pages if the collector's release or configuration does not have the list.
    pub(super) fn pages_if_served(&self, path: &str, query: &str) -> Pages<'_> {
        Pages {
            is_optional: true,
            ..self.pages(path, query)
        }
    }

    /// Opens a feed of events; the body is not read yet.
    pub(super) async fn open(
        &self,
        path: &str,
        last_event_id: Option<&str>,
    ) -> Result<Body, Error> {
        let mut headers = vec![(ACCEPT.as_str(), "text/event-stream")];
        headers.extend(last_event_id.map(|id| ("last-event-id", id)));
        let response = timeout(ANSWER, self.send(Method::GET, path, &headers))
            .await
            .map_err(|_elapsed| self.late(ANSWER))??;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response.into_body());
        }
        let bytes = body::to_bytes(response.into_body(), MAX_ANSWER);
        let bytes = timeout(ANSWER, bytes).await.ok().and_then(Result::ok);
        let value = serde_json::from_slice(&bytes.unwrap_or_default());
        Err(self.refused(status, &value.unwrap_or_default()))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, Error> {
        let uri = format!("{}{path}", self.server.url);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let authorization = self.server.authorization.expose();
        if !authorization.is_empty() {
            let value = HeaderValue::try_from(authorization);
            let mut value = value.map_err(|error| Error::Usage(error.to_string()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Body::empty());
        let request = request.map_err(|error| Error::Usage(error.to_string()))?;
        let response = self.http.request(request).await;
        let response = response.map_err(|error| self.failed(&cause(&error)))?;
        self.answered.set(date(response.headers()));
        Ok(response.map(Body::new))
    }

    fn late(&self, limit: Duration) -> Error {
        self.failed(&format_args!("no answer within {limit:?}"))
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Error {
        let url = &self.server.url;
        Error::Unanswered(format!(
            "no answer from {url}: {why}; a collector has to run, and this has to be the address of its admin listener (--url, \
             ROLLCALL_URL, or the `ui` module of its configuration)"
        ))
    }

    fn refused(&self, status: StatusCode, answer: &Value) -> Error {
        let url = &self.server.url;
        let message = answer["error"]["message"].as_str().unwrap_or("no reason");
        let message = super::text::escaped(message);
        let advice = match status {
            StatusCode::UNAUTHORIZED if self.server.authorization.expose().is_empty() => {
                "; give its token in ROLLCALL_TOKEN or with --token"
            }
            StatusCode::UNAUTHORIZED => {
                "; what was sent (--token, ROLLCALL_TOKEN or the `ui` module of the configuration) is not its credential"
            }
            StatusCode::NOT_FOUND => "; this has to be the address of a collector's admin listener",
            _ => "",
        };
        Error::Unanswered(format!("{url} answers {status}: {message}{advice}"))
    }
}

// === impl Pages ===

impl Pages<'_> {
    /// The items of the next page; `None` after the last page, and if there is no such list.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Value>>, Error> {
        let Some(cursor) = self.next.take() else {
            return Ok(None);
        };
        let path = format!("{}{cursor}", self.path);
        let Some(mut page) = self.client.get_from(&path, self.is_optional).await? else {
            return Ok(None);
        };
        let Value::Array(items) = page["items"].take() else {
            return Err(self.client.failed(&"the list has no items"));
        };
        let next = match &page["next"] {
            Value::Null => return Ok(Some(items)),
            Value::String(next) => encoded(next),
            next => next.to_string(),
        };
        // Without this check, a collector that repeats a cursor would be read for ever.
        if self.seen.len() == MAX_PAGES || !self.seen.insert(next.clone()) {
            return Err(self.client.failed(&"the list has no end"));
        }
        self.next = Some(format!("&cursor={next}"));
        Ok(Some(items))
    }
}

/// The value of a parameter, percent-encoded.
pub(super) fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// The innermost cause of a failed request, because hyper's own text states only that the request failed.
fn cause(error: &legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    // The server requests a client certificate within the handshake, and reports only afterwards that it received none.
    if text.contains("CertificateRequired") {
        return "the listener requires a client certificate: give one with --cert-file and --key-file".to_owned();
    }
    text
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    time.ok()
}

#[cfg(test)]
mod tests;
