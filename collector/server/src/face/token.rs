//! The secret that agents must send with every call, if the operator configures one (proto/docs/skywalking.md section 4.8).

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName},
    middleware::{Next, from_fn},
    response::Response,
};
use prometheus_client::metrics::counter::Counter;
use subtle::ConstantTimeEq as _;

/// Metadata over gRPC, a header over HTTP. Java writes it with a capital letter, which HTTP/2 does not allow.
const AUTHENTICATION: HeaderName = HeaderName::from_static("authentication");

/// A token that agents must send. Cheap to clone; not shown by `Debug`.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token; `None` for an empty text: no token is then required.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        (!secret.is_empty()).then(|| Self(secret.into()))
    }

    /// Guards `router`. Requests with the token reach it; all others are counted and answered with `refusal`.
    pub fn guard(self, router: Router, denied: Counter, refusal: fn() -> Response) -> Router {
        router.layer(from_fn(move |request: Request, next: Next| {
            let admitted = self.is_sent_with(request.headers());
            if !admitted {
                denied.inc();
            }
            async move {
                if admitted {
                    next.run(request).await
                } else {
                    refusal()
                }
            }
        }))
    }

    /// Compares in constant time for every token of this length, so that it cannot be guessed byte by byte.
    fn is_sent_with(&self, headers: &HeaderMap) -> bool {
        headers
            .get(AUTHENTICATION)
            .is_some_and(|sent| sent.as_bytes().ct_eq(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("s3cret").unwrap();
        for (sent, admitted) in [
            (Some("s3cret"), true),
            (Some("s3cres"), false),
            (Some("s3cret "), false),
            (Some("s3cre"), false),
            (Some(""), false),
            (None, false),
        ] {
            let sent = sent.map(|sent| (AUTHENTICATION, sent.parse().unwrap()));
            let headers = HeaderMap::from_iter(sent);
            assert_eq!(token.is_sent_with(&headers), admitted, "{headers:?}");
        }
    }

    #[test]
    fn a_token_is_required_only_if_configured_and_is_never_shown() {
        assert!(Token::new("").is_none());
        assert_eq!(format!("{:?}", Token::new("s3cret").unwrap()), "Token(..)");
    }
}
