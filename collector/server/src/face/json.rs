//! Reads JSON bodies of a known shape, and names the path of an invalid key.

use std::{fmt, time::Duration};

use axum::{body::Body, http::StatusCode};
use http_body::Body as _;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use tokio::time::timeout;

use super::Refusal;

mod count;
mod parts;

pub use count::count;
pub use parts::Parts;

/// The limits of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes; a larger one gets a 413.
    pub max_body_size: usize,
    /// The configuration key that sets `max_body_size`, for the answer.
    pub size_key: &'static str,
    /// The longest time for a request body to arrive; a slower one gets a 408.
    pub body_timeout: Duration,
}

impl Default for Limits {
    /// 50 MiB, as over gRPC, because agents send whole dictionaries; 30 s.
    fn default() -> Self {
        Self {
            max_body_size: 50 << 20,
            size_key: "agent_jetty.jetty.max_body_size",
            body_timeout: Duration::from_secs(30),
        }
    }
}

/// Reads the whole body of a request into parts.
///
/// # Errors
/// 413 if its announced or received size exceeds the limit; 408 if it arrives too slowly; 400 if it is incomplete.
pub async fn read(body: Body, limits: &Limits) -> Result<Parts, Refusal> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.max_body_size {
        return Err(too_large(limits));
    }
    match timeout(limits.body_timeout, Parts::collect(body, limits)).await {
        Ok(parts) => parts,
        Err(tokio::time::error::Elapsed { .. }) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "body",
            format_args!("did not arrive within {:?}", limits.body_timeout),
        )),
    }
}

/// Decodes a body.
///
/// # Errors
/// 400 if the body is not JSON or not UTF-8, or a key is missing or has another type. The refusal names the key, or `body` if no
/// key is at fault.
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refuse(&path, error.inner())
    })?;
    json.end().map_err(|error| refuse(".", &error))?;
    Ok(value)
}

/// As [`parse`], for the element of an array with this index.
///
/// # Errors
/// As [`parse`]; the refusal names the key by its path from the top.
pub fn parse_at<'a, T: Deserialize<'a>>(at: usize, part: &'a str) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_str(part);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.path().to_string();
        refuse(&join(&format!("[{at}]"), &inner), error.inner())
    })
}

/// A struct written as a JSON object. Without this wrapper, serde also accepts an array of its fields in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
    }
}

fn refuse(path: &str, error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    let field = match missing_key(&message) {
        Some(key) => join(path, key),
        None => path.to_owned(),
    };
    match field.as_str() {
        "" | "." => Refusal::invalid("body", message),
        _ => Refusal::invalid(field, message),
    }
}

/// The key that serde reports as missing. serde names it only in the message, and its path ends at the object.
fn missing_key(message: &str) -> Option<&str> {
    let (key, _) = message.strip_prefix("missing field `")?.split_once('`')?;
    Some(key)
}

/// The path of `inner` within `outer`; `.` is the top.
fn join(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        (outer, "" | ".") => outer.to_owned(),
        ("" | ".", inner) => inner.to_owned(),
        (outer, inner) if inner.starts_with('[') => format!("{outer}{inner}"),
        (outer, inner) => format!("{outer}.{inner}"),
    }
}

fn too_large(limits: &Limits) -> Refusal {
    let Limits {
        max_body_size,
        size_key,
        ..
    } = limits;
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body",
        format_args!("is larger than {max_body_size} bytes; the limit is {size_key}"),
    )
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, response::IntoResponse};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "the test checks only decoding errors")]
    struct Element {
        ai: i32,
        sn: String,
    }

    async fn field_of(body: &[u8]) -> String {
        let refusal = parse::<Vec<Object<Element>>>(body).unwrap_err();
        let body = to_bytes(refusal.into_response().into_body(), 10_000)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        body["error"]["field"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn an_error_names_the_path_of_its_key() {
        for (body, field) in [
            (&b""[..], "body"),
            (b"nonsense", "body"),
            (b"{}", "body"),
            (b"[] []", "body"),
            (b"[{\"ai\":1}]", "[0].sn"),
            (b"[{\"ai\":1,\"sn\":\"/\"},{\"ai\":1}]", "[1].sn"),
            (b"[{\"ai\":\"1\",\"sn\":\"/\"}]", "[0].ai"),
            (b"[{\"ai\":1.5,\"sn\":\"/\"}]", "[0].ai"),
            (b"[{\"ai\":2147483648,\"sn\":\"/\"}]", "[0].ai"),
            (b"[{\"ai\":1,\"sn\":\"\xff\"}]", "[0].sn"),
            (b"[{\"ai\":1,\"sn\":\"\\ud800\"}]", "[0].sn"),
            (b"[[1,\"/\"]]", "[0]"),
        ] {
            let shown = String::from_utf8_lossy(body);
            assert_eq!(field_of(body).await, field, "{shown}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
        let body = "[".repeat(1_000_000);
        assert!(parse::<Vec<Object<Element>>>(body.as_bytes()).is_err());
        assert!(parse::<serde_json::Value>(body.as_bytes()).is_err());
    }

    #[test]
    fn paths_are_joined_as_in_javascript() {
        assert_eq!(join("[3]", "sn"), "[3].sn");
        assert_eq!(join("a", "[0].b"), "a[0].b");
        assert_eq!(join(".", "a"), "a");
        assert_eq!(join("[3]", "."), "[3]");
    }
}
