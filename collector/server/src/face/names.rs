//! The names by which browsers may address this collector.
//!
//! A web page can make a browser send requests to any address that the browser reaches, loopback included. It cannot choose the
//! name in `Host` and `Origin`: the browser sends the name from which the page was loaded, even if that name now resolves to this
//! collector (DNS rebinding). So a name that is not configured for this collector marks a request from a foreign page. IP addresses
//! are always accepted: they cannot be rebound.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use axum::http::{HeaderMap, Request, Version, header::HOST, uri::Authority};

/// Stands for every name.
const ANY: &str = "*";

/// The names by which this collector may be addressed, besides loopback names and IP addresses. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<HashSet<String>>);

/// Why the host of a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The request names no host.
    #[error("is required in HTTP/1.1")]
    Missing,
    /// The request names several hosts.
    #[error("occurs more than once, or differs from the host of the request target")]
    Ambiguous,
    /// The name is not a host.
    #[error("is not a host with an optional port")]
    Invalid,
}

// === impl Names ===

impl Names {
    /// The collector's names, without ports; `*` stands for every name. Empty names and addresses have no effect.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Arc::new(names.into_iter().map(canonical).collect()))
    }

    /// Whether `authority` names this collector; the port is ignored.
    pub fn include(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if host.parse::<Ipv4Addr>().is_ok() || bare.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
        {
            return true;
        }
        let name = canonical(host);
        let is_loopback = name == "localhost" || name.ends_with(".localhost");
        is_loopback || self.0.contains(&name) || self.0.contains(ANY)
    }
}

/// Normalizes a name: names are compared without case and without a final dot.
fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The host that `request` names; `None` if its protocol does not require one and none is sent.
///
/// # Errors
/// The host is missing, ambiguous or invalid.
pub fn host<B>(request: &Request<B>) -> Result<Option<Authority>, HostError> {
    let sent = sent(request.headers())?;
    match (request.uri().authority(), sent) {
        (Some(target), Some(sent)) if !is_same(target.as_str(), sent.as_str()) => {
            Err(HostError::Ambiguous)
        }
        (None, None) if request.version() == Version::HTTP_11 => Err(HostError::Missing),
        // A target that names the host does not replace the header (RFC 9112 section 3.2).
        (Some(_), None) if request.version() == Version::HTTP_11 => Err(HostError::Missing),
        (Some(target), _) => Ok(Some(target.clone())),
        (None, sent) => Ok(sent),
    }
}

/// Whether this is a name or an IPv4 address of ordinary characters, with or without a port. Such a host is valid without further
/// parsing.
pub(super) fn is_plain(host: &[u8]) -> bool {
    let mut parts = host.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_port = |port: &[u8]| matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit);
    !name.is_empty() && name.iter().all(is_name) && parts.next().is_none_or(is_port)
}

fn sent(headers: &HeaderMap) -> Result<Option<Authority>, HostError> {
    let mut sent = headers.get_all(HOST).iter();
    let Some(host) = sent.next() else {
        return Ok(None);
    };
    if sent.next().is_some() {
        return Err(HostError::Ambiguous);
    }
    let host = Authority::try_from(host.as_bytes());
    host.ok()
        .filter(|host| !host.as_str().contains('@'))
        .map(Some)
        .ok_or(HostError::Invalid)
}

pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests;
