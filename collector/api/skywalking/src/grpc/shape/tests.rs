use prost::Message as _;
use rollcall_limits::{Budget, Work, work::Error};
use rollcall_metrics::Metrics;
use rollcall_proto::{
    common::KeyWithStringValue,
    register::{ServiceInstance, ServiceInstances},
    remote::{IntegerList, RemoteData, RemoteMessage},
};

use super::{Refused, Shapes};

fn count(path: &str, message: &[u8], limit: usize) -> Result<usize, Refused> {
    let work = Work::new(
        limit,
        Budget::new("work", 0),
        Metrics::new().refusals("max_batch", rollcall_limits::work::MAX_BATCH),
    );
    let mut count = work.count();
    Shapes::get()
        .count(path, message, &mut count)
        .map(|()| count.total())
}

#[test]
fn elements_are_counted_at_every_depth() {
    let instance = ServiceInstance {
        properties: vec![KeyWithStringValue::default(); 3],
        ..ServiceInstance::default()
    };
    let message = ServiceInstances {
        instances: vec![instance; 5],
    }
    .encode_to_vec();
    let path = "Register/doServiceInstanceRegister";
    assert_eq!(count(path, &message, 20), Ok(20));
    let refused = Refused::Work(Error::TooManyElements { limit: 19 });
    assert_eq!(count(path, &message, 19), Err(refused));
}

#[test]
fn packed_numbers_are_elements_too() {
    let message = RemoteMessage {
        remote_data: Some(RemoteData {
            data_longs: vec![1, -1, 300],
            data_doubles: vec![1.0; 4],
            data_booleans: vec![true; 2],
            data_integer_lists: vec![IntegerList { value: vec![7; 6] }],
            ..RemoteData::default()
        }),
        ..RemoteMessage::default()
    };
    let elements = count("RemoteCommonService/call", &message.encode_to_vec(), 100);
    assert_eq!(elements, Ok(3 + 4 + 2 + 1 + 6));
}

#[test]
fn repeated_scalars_and_unknown_fields_are_bounded_too() {
    for field in [&b"\x08\x01"[..], b"\x7a\x00", b"\x7d\x00\x00\x00\x00"] {
        let path = "InstanceDiscoveryService/heartbeat";
        assert_eq!(count(path, &field.repeat(16), 1), Ok(0));
        assert_eq!(
            count(path, &field.repeat(40), 1),
            Err(Refused::Work(Error::TooManyElements { limit: 1 })),
            "{field:?}"
        );
    }
}

#[test]
fn bytes_that_hide_elements_from_the_count_are_refused() {
    let path = "Register/doServiceInstanceRegister";
    // A group, which prost skips; a truncated field; an incomplete key.
    for message in [&b"\x0b\x0c\x0a\x00"[..], b"\x0a\x05\x0a", b"\xff"] {
        assert_eq!(count(path, message, 100), Err(Refused::Malformed));
    }
    assert_eq!(count("No/such", b"", 100), Err(Refused::Malformed));
}
