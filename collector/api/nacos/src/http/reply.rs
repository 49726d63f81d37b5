//! Answers of handlers: texts, JSON, and the envelope of v2 and v3.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde::Serialize;

pub(super) use super::body::{encoded, in_parts, json, text};
use super::fault::{Fault, Generation};

/// An answer, or the reason for a refusal.
pub(super) type Reply = Result<Response<Body>, Fault>;

/// `{"code":0,"message":"success","data":...}`.
pub(super) fn success(data: &impl Serialize) -> Response<Body> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        code: u32,
        message: &'static str,
        data: &'a T,
    }
    json(&Envelope {
        code: 0,
        message: "success",
        data,
    })
}

/// [`success`], encoded.
pub(super) fn success_bytes(data: &impl Serialize) -> Vec<u8> {
    let mut json = br#"{"code":0,"message":"success","data":"#.to_vec();
    let encoded = serde_json::to_writer(&mut json, data);
    debug_assert!(encoded.is_ok(), "writing into memory does not fail");
    json.push(b'}');
    json
}

/// The success answer `ok` of the generation.
pub(super) fn done(generation: Generation) -> Response<Body> {
    match generation {
        Generation::V1 => text(StatusCode::OK, "ok"),
        Generation::V2 | Generation::V3 => encoded(r#"{"code":0,"message":"success","data":"ok"}"#),
    }
}

/// A value: bare in v1, in the envelope later.
pub(super) fn data(generation: Generation, data: &impl Serialize) -> Response<Body> {
    match generation {
        Generation::V1 => json(data),
        Generation::V2 | Generation::V3 => success(data),
    }
}

/// A value of the console: in an envelope with code 200 in v1.
pub(super) fn result(generation: Generation, data: &impl Serialize) -> Response<Body> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        code: u32,
        message: Option<&'static str>,
        data: &'a T,
    }
    match generation {
        Generation::V1 => json(&Envelope {
            code: 200,
            message: None,
            data,
        }),
        Generation::V2 | Generation::V3 => success(data),
    }
}

/// The answer of v3 to a beat of an unknown instance: an error code with status 200.
pub(super) fn not_found_v3() -> Response<Body> {
    encoded(r#"{"code":21003,"message":"instance not found","data":null}"#)
}
