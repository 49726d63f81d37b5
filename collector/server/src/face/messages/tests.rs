use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::StreamBody;
use tonic::Code;

use super::Messages;

fn message(length: usize) -> Vec<u8> {
    let announced = u32::try_from(length).unwrap().to_be_bytes();
    let content = (0..length).map(|at| u8::try_from(at % 251).unwrap());
    [0].into_iter().chain(announced).chain(content).collect()
}

fn messages(bytes: &[u8], size: usize) -> Messages {
    let parts: Vec<_> = bytes
        .chunks(size)
        .map(|part| Ok::<_, Infallible>(http_body::Frame::data(Bytes::copy_from_slice(part))))
        .collect();
    Messages::new(Body::new(StreamBody::new(tokio_stream::iter(parts))), 1000)
}

#[tokio::test]
async fn messages_are_read_one_by_one_from_parts_of_any_size() {
    let lengths = [0, 1, 4, 1000, 0, 251, 5];
    let bytes: Vec<u8> = lengths.into_iter().flat_map(message).collect();
    for size in [1, 2, 3, 5, 7, 100, 10_000] {
        let mut messages = messages(&bytes, size);
        for length in lengths {
            let taken = messages.next().await.unwrap().unwrap();
            assert_eq!(taken, message(length)[5..], "in parts of {size}");
        }
        assert_eq!(messages.next().await.unwrap(), None, "in parts of {size}");
    }
}

#[tokio::test]
async fn an_invalid_message_ends_the_stream_with_its_code() {
    for (bytes, code) in [
        (message(1001), Code::OutOfRange),
        (vec![0, 0xff, 0xff, 0xff, 0xff], Code::OutOfRange),
        (vec![1, 0, 0, 0, 0], Code::Internal),
        (message(10)[..14].to_vec(), Code::Internal),
        (vec![0], Code::Internal),
    ] {
        let mut messages = messages(&[message(3), bytes.clone()].concat(), 7);
        messages.next().await.unwrap().unwrap();
        assert_eq!(messages.next().await.unwrap_err().code(), code, "{bytes:?}");
    }
}

/// The memory of a stream follows its current message, not the largest one so far.
#[tokio::test]
async fn no_memory_of_a_message_is_kept_after_it_is_read() {
    let mut messages = messages(&[message(900), message(1)].concat(), 100);
    let first = messages.next().await.unwrap().unwrap();
    messages.next().await.unwrap().unwrap();
    assert!(first.is_unique());
}

#[tokio::test]
async fn a_unary_call_has_one_message() {
    let of = |bytes: &[u8]| messages(bytes, 7);
    let only = of(&message(3)).only().await.unwrap();
    assert_eq!(only, message(3)[5..]);
    assert!(of(&[]).only().await.is_err());
    let two = [message(1), message(1)].concat();
    assert!(of(&two).only().await.is_err());
}

#[tokio::test]
async fn a_message_that_is_too_long_names_the_key_of_the_limit() {
    let key = "agent_gRPC.gRPC.max_message_size";
    let mut messages = messages(&message(1001), 100).set_by(key);
    let status = messages.next().await.unwrap_err();
    let text = status.message();
    for part in ["1001 bytes", "1000 bytes", key] {
        assert!(text.contains(part), "no {part} in: {text}");
    }
}
