//! The credentials of callers of the admin face: the operator's token, or a name and a password.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use prometheus_client::metrics::counter::Counter;
use subtle::ConstantTimeEq as _;

use super::Refusal;

/// Makes browsers prompt for a name and a password.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Basic realm="rollcall", charset="UTF-8""#);

/// The accepted credentials. Cheap to clone; not shown by `Debug`.
#[derive(Clone)]
pub struct Credentials(Arc<Accepted>);

struct Accepted {
    token: Option<String>,
    /// `name:password`.
    user: Option<String>,
}

impl Credentials {
    /// A token, a name with a password, or both. `None` if all are empty: no credentials are then required.
    #[must_use]
    pub fn new(token: &str, user: &str, password: &str) -> Option<Self> {
        let token = (!token.is_empty()).then(|| token.to_owned());
        let user = (!user.is_empty()).then(|| format!("{user}:{password}"));
        (token.is_some() || user.is_some()).then(|| Self(Arc::new(Accepted { token, user })))
    }

    /// Guards the routes that `router` has now. Requests with the credentials reach them; all others are counted and refused with
    /// 401.
    pub fn guard<S: Clone + Send + Sync + 'static>(
        self,
        router: Router<S>,
        denied: Counter,
    ) -> Router<S> {
        router.route_layer(from_fn(move |request: Request, next: Next| {
            let admitted = self.are_sent_with(request.headers());
            let challenged = is_navigation(request.headers());
            if !admitted {
                denied.inc();
            }
            async move {
                if admitted {
                    next.run(request).await
                } else {
                    refuse(challenged)
                }
            }
        }))
    }

    /// Compares in constant time for all credentials of one length. A browser sends the name and the password as `Basic`; a
    /// tool that knows only `Basic` may send the token as the password of any name.
    fn are_sent_with(&self, headers: &HeaderMap) -> bool {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let (Some(sent), None) = (sent.next(), sent.next()) else {
            return false;
        };
        let Some((scheme, value)) = sent.to_str().ok().and_then(|sent| sent.split_once(' ')) else {
            return false;
        };
        let is = |expected: &Option<String>, sent: &[u8]| {
            let expected = expected.as_ref();
            expected.is_some_and(|expected| expected.as_bytes().ct_eq(sent).into())
        };
        let Accepted { token, user } = &*self.0;
        if scheme.eq_ignore_ascii_case("bearer") {
            return is(token, value.trim().as_bytes());
        }
        let Ok(pair) = BASE64_STANDARD.decode(value.trim()) else {
            return false;
        };
        let password = pair.iter().position(|byte| *byte == b':');
        let password = password
            .and_then(|at| pair.get(at + 1..))
            .unwrap_or_default();
        scheme.eq_ignore_ascii_case("basic") && (is(user, &pair) | is(token, password))
    }
}

/// Whether the request is a browser's navigation to a page. A script of a page prompts for credentials itself, and a challenge
/// would open the browser's own dialog above its prompt.
fn is_navigation(headers: &HeaderMap) -> bool {
    let mode = headers.get("sec-fetch-mode");
    mode.is_none_or(|mode| mode == "navigate")
}

fn refuse(challenged: bool) -> Response {
    let message = "this needs the admin token (Authorization: Bearer), or user and password; see ui.jetty.token";
    let mut response =
        Refusal::new(StatusCode::UNAUTHORIZED, "authorization", message).into_response();
    if challenged {
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    response
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
