//! Checks every request before any face sees it.
//!
//! * A request names one host (RFC 9112 section 3.2), and its body has no coding but `chunked`. hyper checks the rest of
//!   HTTP/1's framing: it refuses ambiguous requests, and closes the connection if both a length and a coding are set.
//! * A web page that was not loaded from this collector cannot change anything. Browsers send the page's origin in `Origin`,
//!   which no agent sends.

use std::{convert::Infallible, future};

use axum::http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, HOST, ORIGIN, TRANSFER_ENCODING},
    uri::Authority,
};
use futures_util::future::Either;
use hyper::service::Service;
use prometheus_client::metrics::counter::Counter;
use rollcall_metrics::Metrics;

use super::{
    answer::AnswerBody,
    names::{self, HostError, Names, is_same},
    refusal::Refusal,
};

/// Refuses requests that violate the rules of this module, and forwards all others.
#[derive(Clone, Debug)]
pub struct Gate<S> {
    inner: S,
    names: Names,
    framing: Counter,
    origin: Counter,
}

impl<S> Gate<S> {
    /// A gate before `inner`, for a collector with these names.
    pub fn new(metrics: &Metrics, names: Names, inner: S) -> Self {
        Self {
            inner,
            names,
            framing: metrics.requests_refused("framing"),
            origin: metrics.requests_refused("origin"),
        }
    }

    fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_plain(request, is_read) {
            return Ok(());
        }
        let framed = coding(request).and_then(|()| {
            names::host(request).map_err(|error: HostError| Refusal::invalid("host", error))
        });
        let host = framed.inspect_err(|_refused| {
            self.framing.inc();
        })?;
        if is_read {
            return Ok(());
        }
        if self.is_foreign(request.headers(), host.as_ref()) {
            self.origin.inc();
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "origin",
                "a web page of another origin may not change anything here; if its origin is a name of this collector, add the \
                 name to ui.jetty.allowed_hosts",
            ));
        }
        Ok(())
    }

    /// Whether a web page that was not loaded from this collector under one of its names sent the request.
    fn is_foreign(&self, headers: &HeaderMap, host: Option<&Authority>) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return false;
        };
        let own = origin.to_str().ok().and_then(page).zip(host);
        let is_own = own.is_some_and(|((page, default_port), host)| {
            let host_name = without_port(host.as_str(), default_port);
            is_same(without_port(page.as_str(), default_port), host_name)
                && self.names.include(&page)
        });
        !is_own || origins.next().is_some()
    }
}

/// The authority of an origin, and the default port of its scheme.
fn page(origin: &str) -> Option<(Authority, &'static str)> {
    let (authority, port) = match origin.split_once("://")? {
        ("http", authority) => (authority, ":80"),
        ("https", authority) => (authority, ":443"),
        _ => return None,
    };
    Some((authority.parse().ok()?, port))
}

fn without_port<'a>(authority: &'a str, port: &str) -> &'a str {
    authority.strip_suffix(port).unwrap_or(authority)
}

/// Whether a request certainly complies with the rules. Most requests do, and this check copies and parses nothing.
fn is_plain<B>(request: &Request<B>, is_read: bool) -> bool {
    let mut hosts = 0;
    for (name, value) in request.headers() {
        if name == HOST {
            if !names::is_plain(value.as_bytes()) {
                return false;
            }
            hosts += 1;
        } else if name == TRANSFER_ENCODING || (name == ORIGIN && !is_read) {
            return false;
        }
    }
    match request.uri().authority() {
        None => hosts == 1,
        Some(_) => hosts == 0 && request.version() == Version::HTTP_2,
    }
}

/// Refuses any coding but a single `chunked`, the only one that is decoded here.
fn coding<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.version() > Version::HTTP_11 {
        return Ok(());
    }
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    match codings.next() {
        None => Ok(()),
        Some(coding)
            if coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none() =>
        {
            Ok(())
        }
        Some(_) => Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "transfer-encoding",
            "only chunked is supported",
        )),
    }
}

impl<S, B> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<AnswerBody>, Error = Infallible>,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Either<future::Ready<Result<Response<AnswerBody>, Infallible>>, S::Future>;

    fn call(&self, request: Request<B>) -> Self::Future {
        match self.check(&request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(refusal) => {
                let mut response = refusal.into_boxed();
                // The end of a refused request is uncertain, so the connection must close.
                if request.version() <= Version::HTTP_11 {
                    let headers = response.headers_mut();
                    headers.insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Either::Left(future::ready(Ok(response)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate<()> {
        Gate::new(&Metrics::new(), Names::new(["rollcall.example"]), ())
    }

    #[test]
    fn only_a_page_of_this_collector_may_change_anything() {
        let gate = gate();
        for (method, host, origins, admitted) in [
            ("POST", "127.0.0.1:12800", &[][..], true),
            ("POST", "evil.example", &[], true), // no browser: an agent that uses another name
            ("GET", "evil.example", &["http://evil.example"], true), // the admin face checks Host
            ("POST", "127.0.0.1:12800", &["http://127.0.0.1:12800"], true),
            (
                "POST",
                "rollcall.example",
                &["https://rollcall.example"],
                true,
            ),
            (
                "POST",
                "rollcall.example:80",
                &["http://rollcall.example"],
                true,
            ),
            ("POST", "localhost:12800", &["http://localhost:3000"], false),
            ("POST", "127.0.0.1:12800", &["http://evil.example"], false),
            (
                "POST",
                "evil.example:12800",
                &["http://evil.example:12800"],
                false,
            ),
            ("POST", "127.0.0.1:12800", &["null"], false),
            ("POST", "127.0.0.1:12800", &[""], false),
            ("POST", "127.0.0.1", &["file://127.0.0.1"], false),
            (
                "PUT",
                "127.0.0.1:1",
                &["http://127.0.0.1:1", "http://evil.example"],
                false,
            ),
            (
                "OPTIONS",
                "127.0.0.1:12800",
                &["http://evil.example"],
                false,
            ),
        ] {
            let mut request = Request::builder().method(method).header(HOST, host);
            for origin in origins {
                request = request.header(ORIGIN, *origin);
            }
            let checked = gate.check(&request.body(()).unwrap());
            assert_eq!(checked.is_ok(), admitted, "{method} {host} {origins:?}");
        }
        assert_eq!(gate.origin.get(), 8);
    }

    #[test]
    fn only_chunked_is_a_coding_and_only_once() {
        let gate = gate();
        for (codings, admitted) in [
            (&[][..], true),
            (&["chunked"], true),
            (&["Chunked"], true),
            (&["chunked", "chunked"], false),
            (&["chunked, chunked"], false),
            (&["gzip, chunked"], false),
            (&["identity"], false),
        ] {
            let mut request = Request::builder().method("POST").header(HOST, "a");
            for coding in codings {
                request = request.header(TRANSFER_ENCODING, *coding);
            }
            let checked = gate.check(&request.body(()).unwrap());
            assert_eq!(checked.is_ok(), admitted, "{codings:?}");
        }
        assert_eq!(gate.framing.get(), 4);
    }
}
