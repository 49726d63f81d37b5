use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::grpc::wire;

fn decode(frame: &Frame) -> wire::Payload {
    let mut whole = frame.head.to_vec();
    whole.extend_from_slice(&frame.tail);
    assert_eq!(whole.len(), frame.len());
    let (prefix, message) = whole.split_at(PREFIX);
    assert_eq!(prefix[0], 0);
    let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), message.len());
    wire::Payload::decode(message).unwrap()
}

proptest! {
    #[test]
    fn a_generated_type_reads_what_is_written(kind in ".{0,300}", ip in ".{0,20}", json in ".{0,200}", tail in 0_usize..40_000) {
        let tail: Bytes = vec![b'x'; tail].into();
        let payload = decode(&Frame::new(&kind, &ip, &json, tail.clone()));
        let metadata = payload.metadata.unwrap();
        prop_assert_eq!(metadata.r#type, kind);
        prop_assert_eq!(metadata.client_ip, ip);
        let body = payload.body.unwrap();
        prop_assert_eq!(body.type_url, "");
        prop_assert_eq!(&*body.value, [json.as_bytes(), &*tail].concat());
    }
}
