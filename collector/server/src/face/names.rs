//! The names by which browsers may address this collector.
//!
//! A web page can make a browser send requests to any address that the browser reaches, loopback included. It cannot choose the
//! name in `Host` and `Origin`: that is the name the page was loaded from, even if the page's server has meanwhile made that
//! name resolve to this collector (DNS rebinding). So a name that is not configured for this collector marks a request from a
//! foreign page. IP addresses are always accepted: they cannot be rebound.

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
    /// The name is no host.
    #[error("is not a host with an optional port")]
    Invalid,
}

// === impl Names ===

impl Names {
    /// The collector's names, without ports; `*` stands for every name. Empty names and addresses add nothing.
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
        // A target that names the host is no substitute for the header (RFC 9112 section 3.2).
        (Some(_), None) if request.version() == Version::HTTP_11 => Err(HostError::Missing),
        (Some(target), _) => Ok(Some(target.clone())),
        (None, sent) => Ok(sent),
    }
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
mod tests {
    use super::*;

    #[test]
    fn loopback_names_addresses_and_configured_names_are_this_collector() {
        let names = Names::new(["Rollcall.example.", "10.0.0.1", ""]);
        for (authority, included) in [
            ("localhost", true),
            ("LOCALHOST:12800", true),
            ("api.localhost:1", true),
            ("127.0.0.1:12800", true),
            ("192.168.7.9", true),
            ("[::1]:12800", true),
            ("rollcall.example:80", true),
            ("rollcall.EXAMPLE.", true),
            ("evil.example", false),
            ("rollcall.example.evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("0x7f.1", false),
            ("2130706433", false),
        ] {
            let authority: Authority = authority.parse().unwrap();
            assert_eq!(names.include(&authority), included, "{authority}");
        }
        let any: Authority = "evil.example".parse().unwrap();
        assert!(Names::new(["*"]).include(&any));
    }

    #[test]
    fn a_request_has_one_host_if_its_protocol_requires_one() {
        use HostError::{Ambiguous, Invalid, Missing};
        let (v10, v11, v2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        for (version, target, hosts, expected) in [
            (v11, "/", &["a:1"][..], Ok(Some("a:1"))),
            (v11, "/", &[], Err(Missing)),
            (v11, "/", &["a", "a"], Err(Ambiguous)),
            (v11, "/", &["a b"], Err(Invalid)),
            (v11, "/", &["user@a"], Err(Invalid)),
            (v11, "/", &["a/b"], Err(Invalid)),
            (v11, "http://a/", &["A"], Ok(Some("a"))),
            (v11, "http://a/", &["b"], Err(Ambiguous)),
            (v11, "http://a/", &[], Err(Missing)),
            (v10, "/", &[], Ok(None)),
            (v10, "/", &["a"], Ok(Some("a"))),
            (v2, "http://a/", &[], Ok(Some("a"))),
            (v2, "http://a/", &["b"], Err(Ambiguous)),
            (v2, "/", &[], Ok(None)),
        ] {
            let mut request = Request::builder().version(version).uri(target);
            for sent in hosts {
                request = request.header(HOST, *sent);
            }
            let host = host(&request.body(()).unwrap());
            let host = host
                .as_ref()
                .map(|host| host.as_ref().map(Authority::as_str));
            assert_eq!(
                host,
                expected.as_ref().copied(),
                "{version:?} {target} {hosts:?}"
            );
        }
    }
}
