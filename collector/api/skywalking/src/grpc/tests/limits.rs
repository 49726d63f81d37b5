//! Malformed and oversized requests that no agent sends.

use axum::Router;
use rollcall_server::face::no_such_service;
use tonic::Code;

use super::fixture::{self, Collector, MAX_MESSAGE_SIZE, frame};

const REGISTER: &str = "/ApplicationRegisterService/register";

/// The status of a call with this body.
async fn call(router: Router, path: &str, body: Vec<u8>) -> Code {
    fixture::call(router, path, &[("te", "trailers")], body)
        .await
        .0
}

#[tokio::test]
async fn a_message_up_to_the_limit_is_accepted_and_one_above_is_out_of_range() {
    let collector = Collector::start();
    // Codes of two bytes; four bytes with the field's key and length.
    let largest = b"\x0a\x02aa".repeat(MAX_MESSAGE_SIZE / 4);
    assert_eq!(largest.len(), MAX_MESSAGE_SIZE);
    let larger = b"\x0a\x02aa".repeat(MAX_MESSAGE_SIZE / 4 + 1);
    assert_eq!(
        call(collector.router(), REGISTER, frame(&largest)).await,
        Code::Ok
    );
    assert_eq!(
        call(collector.router(), REGISTER, frame(&larger)).await,
        Code::OutOfRange
    );
}

#[tokio::test]
async fn a_message_with_a_huge_length_is_refused_before_it_is_read() {
    let collector = Collector::start();
    let announced = b"\x00\xff\xff\xff\xff".to_vec();
    assert_eq!(
        call(collector.router(), REGISTER, announced).await,
        Code::OutOfRange
    );
}

#[tokio::test]
async fn a_malformed_message_is_internal() {
    let collector = Collector::start();
    for message in [
        &b"garbage"[..],
        b"\x0a\x05abc",  // cut short
        b"\x0a\x01\xff", // not UTF-8
        b"\x08\x01",     // a number instead of a text
    ] {
        let status = call(collector.router(), REGISTER, frame(message)).await;
        assert_eq!(status, Code::Internal, "{message:x?}");
    }
}

#[tokio::test]
async fn a_name_above_the_limit_is_an_invalid_argument() {
    let collector = Collector::start();
    let name = [&b"\x0a\x80\x02"[..], &[b'a'; 256]].concat();
    assert_eq!(
        call(collector.router(), REGISTER, frame(&name)).await,
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_method_that_is_not_served_is_unimplemented() {
    let collector = Collector::start();
    let path = "/InstanceDiscoveryService/nothing";
    assert_eq!(
        call(
            collector.router().fallback(no_such_service),
            path,
            frame(b"")
        )
        .await,
        Code::Unimplemented
    );
}

#[tokio::test]
async fn a_service_that_is_not_served_is_unimplemented() {
    let refusal = no_such_service().await;
    let status = Code::from_bytes(refusal.headers()["grpc-status"].as_bytes());
    assert_eq!(status, Code::Unimplemented);
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_internal() {
    let collector = Collector::start();
    let whole = frame(b"\x0a\x01a");
    for length in 0..whole.len() {
        let cut = whole[..length].to_vec();
        let status = call(collector.router(), REGISTER, cut).await;
        assert_eq!(status, Code::Internal, "{length} bytes of {}", whole.len());
    }
}
