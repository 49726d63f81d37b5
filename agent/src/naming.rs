//! Requests the list of collectors from one naming server: one HTTP GET on its own connection.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ACCEPT, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::{
    client::{AGENT_NAME, with_cause},
    peer::{self, Peer},
    tls::{self, Above, Stream, Tls},
};

/// The longest answer that is accepted.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The reason why a naming server returned no usable list. In each case the agent queries the next server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    #[error("no answer in time")]
    Timeout,
    #[error("status {0}")]
    Status(StatusCode),
    #[error("not HTTP, or broken off: {}", with_cause(.0))]
    Http(#[from] hyper::Error),
    #[error("the request cannot be built: {0}")]
    Request(#[from] http::Error),
    #[error("body: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("body longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
    #[error("not a JSON array of texts: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no collector in the list")]
    Empty,
}

/// The timeouts of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// The timeout for the whole answer, counted from the open connection.
    pub(crate) answer: Duration,
}

/// The collectors that `server` lists at `path`: at least one.
pub(crate) async fn fetch(
    server: &Peer,
    tls: Option<&Tls>,
    path: &str,
    timeouts: Timeouts,
) -> Result<Vec<Peer>, Error> {
    let connecting = tls::connect(server, tls, Above::Http1, timeouts.connect);
    let stream = timeout(timeouts.connect, connecting)
        .await
        .map_err(|_elapsed| Error::Timeout)??;
    let exchange = exchange(stream, server, path);
    let body = timeout(timeouts.answer, exchange)
        .await
        .map_err(|_elapsed| Error::Timeout)??;
    parse(&body)
}

async fn exchange(stream: Stream, server: &Peer, path: &str) -> Result<Bytes, Error> {
    let request = Request::get(path)
        .header(HOST, server.to_string())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT_NAME)
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The future below owns the sender, so the connection ends when the answer is read or abandoned.
    let answer = async move {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(Error::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
            .collect()
            .await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(body_error)
    };
    let (connection, answer) = tokio::join!(connection, answer);
    if let Err(error) = connection {
        tracing::debug!(%error, "the connection to a naming server failed");
    }
    answer
}

fn body_error(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    if error.is::<LengthLimitError>() {
        Error::TooLong
    } else {
        Error::Body(error)
    }
}

/// Parses a list. Entries that are not `host:port` are ignored, and the rest of the list is used.
fn parse(body: &[u8]) -> Result<Vec<Peer>, Error> {
    let texts: Option<Vec<String>> = serde_json::from_slice(body)?;
    let mut members = Vec::new();
    let mut left_out: Vec<peer::ParseError> = Vec::new();
    for text in texts.unwrap_or_default() {
        match text.parse() {
            Ok(member) => members.push(member),
            Err(error) => left_out.push(error),
        }
    }
    if let Some(first) = left_out.first() {
        tracing::debug!(
            entries = left_out.len(),
            %first,
            "the list of collectors has entries that are not host:port, and the agent ignores them"
        );
    }
    if members.is_empty() {
        Err(Error::Empty)
    } else {
        Ok(members)
    }
}

/// Chooses the entries of an overlong list that the agent keeps. Different agents choose different entries, so that a fleet uses
/// all collectors. The same agent always makes the same choice, so that an unchanged list gives an unchanged result.
#[derive(Debug, Default)]
pub(crate) struct Shortlist(RandomState);

impl Shortlist {
    /// At most `limit` of these members, sorted, each once.
    pub(crate) fn of(&self, members: Vec<Peer>, limit: usize) -> Vec<Peer> {
        let mut ranked: Vec<_> = members
            .into_iter()
            .map(|member| (self.0.hash_one(&member), member))
            .collect();
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        ranked.dedup();
        if ranked.len() > limit {
            tracing::warn!(
                entries = ranked.len(),
                limit,
                "the list of collectors is too long and is shortened"
            );
            ranked.truncate(limit);
        }
        let mut members: Vec<_> = ranked.into_iter().map(|(_, member)| member).collect();
        members.sort_by_cached_key(Peer::to_string);
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Vec<String> {
        let members = parse(body.as_bytes()).unwrap();
        let members = Shortlist::default().of(members, 100);
        members.iter().map(Peer::to_string).collect()
    }

    #[test]
    fn a_list_is_sorted_and_has_each_entry_once() {
        assert_eq!(texts(r#"["b:2", "a:1","b:2 "]"#), ["a:1", "b:2"]);
    }

    #[test]
    fn an_agent_shortens_an_overlong_list_the_same_way_each_time() {
        let members = |from: u16| -> Vec<Peer> {
            (from..1_000 + from)
                .map(|port| format!("c:{port}").parse().unwrap())
                .collect()
        };
        let (one, another) = (Shortlist::default(), Shortlist::default());
        let first = one.of(members(1), 10);
        assert_eq!(first.len(), 10);
        assert!(first.is_sorted_by_key(Peer::to_string));
        let reversed = members(1).into_iter().rev().collect();
        assert_eq!(one.of(reversed, 10), first);
        assert_ne!(another.of(members(1), 10), first);
        // Most of the chosen entries stay when the list changes.
        let shifted = one.of(members(2), 10);
        assert!(
            shifted
                .iter()
                .filter(|member| first.contains(member))
                .count()
                >= 9
        );
    }

    #[test]
    fn an_entry_that_is_not_an_address_is_left_out() {
        assert_eq!(texts(r#"["http://a:1", "b:2", "c"]"#), ["b:2"]);
    }

    #[test]
    fn an_answer_without_a_usable_entry_is_an_error() {
        assert!(matches!(parse(b"[]"), Err(Error::Empty)));
        assert!(matches!(parse(b"null"), Err(Error::Empty)));
        assert!(matches!(parse(br#"["nowhere"]"#), Err(Error::Empty)));
        for garbage in ["", "<html>", "{}", "[1]", "\"a:1\"", &"[".repeat(10_000)] {
            assert!(
                matches!(parse(garbage.as_bytes()), Err(Error::Json(_))),
                "{garbage:.20}"
            );
        }
    }
}
