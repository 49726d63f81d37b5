use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::grpc::wire;

fn read(payload: &wire::Payload) -> Envelope {
    Envelope::read(&payload.encode_to_vec().into()).unwrap()
}

#[test]
fn type_url_and_client_ip_do_not_affect_the_type_the_headers_and_the_body() {
    let payload = wire::Payload {
        metadata: Some(wire::Metadata {
            r#type: "HealthCheckRequest".into(),
            headers: [("AccessToken".into(), "t".into())].into(),
            client_ip: "10.0.0.1".into(),
        }),
        body: Some(wire::Body {
            type_url: "HealthCheckRequest".into(),
            value: "{}".into(),
        }),
    };
    let envelope = read(&payload);
    assert_eq!(envelope.kind(), "HealthCheckRequest");
    assert_eq!(envelope.body, "{}");
    assert_eq!(envelope.header("accesstoken"), Some("t"));
    assert_eq!(envelope.header("app"), None);
}

#[test]
fn an_empty_message_has_no_type() {
    assert_eq!(Envelope::read(&Bytes::new()).unwrap().kind(), "");
}

#[test]
fn a_message_that_is_not_a_payload_is_malformed() {
    for bytes in [
        &b"\x12\xff\xff\xff\xff\x7f"[..],
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
        b"\x1a\x05abc",
        b"\x13",
        b"\x80",
        b"\x12\x03\x1a\x01\xff",
    ] {
        assert_eq!(
            Envelope::read(&Bytes::copy_from_slice(bytes)),
            Err(Malformed),
            "{bytes:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(envelope) = Envelope::read(&bytes.into()) {
            envelope.header("accessToken");
        }
    }

    #[test]
    fn what_a_generated_type_wrote_is_read(kind: String, key in "[a-zA-Z]{1,9}", value: String, body: Vec<u8>) {
        let payload = wire::Payload {
            metadata: Some(wire::Metadata {
                r#type: kind.clone(),
                headers: [(key.clone(), value.clone())].into(),
                client_ip: String::new(),
            }),
            body: Some(wire::Body { type_url: String::new(), value: body.clone().into() }),
        };
        let envelope = read(&payload);
        prop_assert_eq!(envelope.kind(), kind);
        prop_assert_eq!(envelope.header(&key.to_uppercase()), Some(&*value));
        prop_assert_eq!(&*envelope.body, &*body);
    }
}
