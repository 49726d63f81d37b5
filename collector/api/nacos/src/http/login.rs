//! Signing in: one call under three paths. Java clients send the name in the query and the password in the form; Go sends both in
//! the form; Rust and Python send both in the query.

use axum::http::StatusCode;
use serde_json::json;

use super::{
    Face,
    fault::Fault,
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};
use crate::auth::{Denied, Session};

pub(super) fn routes() -> Vec<Route> {
    routes! {
        POST "/v1/auth/login" Open Always login;
        POST "/v1/auth/users/login" Open Always login;
        POST "/v3/auth/user/login" Open Always login;
    }
    .into()
}

async fn login(face: &Face, request: &Request<'_>) -> Reply {
    let (name, password) = (
        request.params.text("username"),
        request.params.raw("password"),
    );
    let now = request.now_seconds();
    let session = match face.auth.login(request.peer, name, password, now).await {
        Ok(session) => session,
        // Plain text, because clients show it.
        Err(denied @ Denied::UnknownUser) => {
            return Ok(reply::text(StatusCode::FORBIDDEN, denied.to_string()));
        }
        Err(denied) => return Err(Fault::Denied(denied)),
    };
    let Session {
        access_token,
        token_ttl,
        global_admin,
        username,
    } = session;
    let mut response = reply::json(&json!({
        "accessToken": access_token,
        "tokenTtl": token_ttl,
        "globalAdmin": global_admin,
        "username": username,
    }));
    response.headers_mut().extend(super::bearer(&access_token));
    Ok(response)
}
