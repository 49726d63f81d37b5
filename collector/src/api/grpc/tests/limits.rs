//! Bytes that no agent sends.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::fixture::{Collector, MAX_MESSAGE_SIZE};
use crate::api::grpc::not_found;

const REGISTER: &str = "/ApplicationRegisterService/register";

const OK: &str = "0";
const INVALID_ARGUMENT: &str = "3";
const OUT_OF_RANGE: &str = "11";
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";

/// One message in a frame: not compressed, and so long.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// The status of a call with this body, from the trailers or from the headers where there are no trailers.
async fn call(router: Router, path: &str, body: Vec<u8>) -> String {
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(body))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let status =
        |headers: &HeaderMap| Some(headers.get("grpc-status")?.to_str().unwrap().to_owned());
    if let Some(status) = status(response.headers()) {
        return status;
    }
    let body = response.into_body().collect().await.unwrap();
    status(body.trailers().unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_up_to_the_limit_is_accepted_and_one_above_is_out_of_range() {
    let collector = Collector::start();
    // Codes of two bytes, four with their field's key and length.
    let largest = b"\x0a\x02aa".repeat(MAX_MESSAGE_SIZE / 4);
    assert_eq!(largest.len(), MAX_MESSAGE_SIZE);
    let larger = b"\x0a\x02aa".repeat(MAX_MESSAGE_SIZE / 4 + 1);
    assert_eq!(
        call(collector.router(), REGISTER, frame(&largest)).await,
        OK
    );
    assert_eq!(
        call(collector.router(), REGISTER, frame(&larger)).await,
        OUT_OF_RANGE
    );
}

#[tokio::test]
async fn a_message_that_is_announced_as_huge_is_refused_before_it_is_read() {
    let collector = Collector::start();
    let announced = b"\x00\xff\xff\xff\xff".to_vec();
    assert_eq!(
        call(collector.router(), REGISTER, announced).await,
        OUT_OF_RANGE
    );
}

#[tokio::test]
async fn what_is_no_message_is_internal() {
    let collector = Collector::start();
    for message in [
        &b"garbage"[..],
        b"\x0a\x05abc",  // cut short
        b"\x0a\x01\xff", // not UTF-8
        b"\x08\x01",     // a number instead of a text
    ] {
        let status = call(collector.router(), REGISTER, frame(message)).await;
        assert_eq!(status, INTERNAL, "{message:x?}");
    }
}

#[tokio::test]
async fn a_name_above_the_limit_is_an_invalid_argument() {
    let collector = Collector::start();
    let name = [&b"\x0a\x80\x02"[..], &[b'a'; 256]].concat();
    assert_eq!(
        call(collector.router(), REGISTER, frame(&name)).await,
        INVALID_ARGUMENT
    );
}

#[tokio::test]
async fn a_method_that_is_not_served_is_unimplemented() {
    let collector = Collector::start();
    let path = "/InstanceDiscoveryService/nothing";
    assert_eq!(
        call(collector.router(), path, frame(b"")).await,
        UNIMPLEMENTED
    );
}

#[tokio::test]
async fn a_service_that_nobody_serves_is_unimplemented_to_grpc_alone() {
    let mut headers = HeaderMap::new();
    assert!(not_found(&headers).is_none());
    headers.insert("content-type", "application/json".parse().unwrap());
    assert!(not_found(&headers).is_none());
    headers.insert("content-type", "application/grpc+proto".parse().unwrap());
    let refusal = not_found(&headers).unwrap();
    assert_eq!(refusal.headers()["grpc-status"], UNIMPLEMENTED);
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_internal() {
    let collector = Collector::start();
    let whole = frame(b"\x0a\x01a");
    for length in 0..whole.len() {
        let cut = whole[..length].to_vec();
        let status = call(collector.router(), REGISTER, cut).await;
        assert_eq!(status, INTERNAL, "{length} bytes of {}", whole.len());
    }
}
