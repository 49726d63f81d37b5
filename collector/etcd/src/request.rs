//! Builders for the parts of transactions and ranges.

use crate::proto::{
    Compare, DeleteRangeRequest, KeyValue, PutRequest, RangeRequest, RequestOp, ResponseOp,
    compare::{CompareResult, CompareTarget, TargetUnion},
    request_op::Request,
    response_op::Response,
};

/// Writes a key.
pub fn put(key: impl Into<Vec<u8>>, value: Vec<u8>) -> RequestOp {
    put_with(0, key, value)
}

/// Writes a key that is deleted when its lease ends.
pub fn put_with(lease: i64, key: impl Into<Vec<u8>>, value: Vec<u8>) -> RequestOp {
    let put = PutRequest {
        key: key.into(),
        value,
        lease,
    };
    RequestOp {
        request: Some(Request::RequestPut(put)),
    }
}

/// Deletes a key.
pub fn delete(key: impl Into<Vec<u8>>) -> RequestOp {
    delete_range(key, Vec::new())
}

/// Deletes the keys from `first` to the last one before `end`. With an empty end it deletes only `first`.
pub fn delete_range(first: impl Into<Vec<u8>>, end: Vec<u8>) -> RequestOp {
    let delete = DeleteRangeRequest {
        key: first.into(),
        range_end: end,
    };
    RequestOp {
        request: Some(Request::RequestDeleteRange(delete)),
    }
}

/// Reads a key.
pub fn get(key: impl Into<Vec<u8>>) -> RequestOp {
    let range = RangeRequest {
        key: key.into(),
        ..RangeRequest::default()
    };
    RequestOp {
        request: Some(Request::RequestRange(range)),
    }
}

/// The key that [`get`] found, if there is one.
pub fn found(response: &ResponseOp) -> Option<&KeyValue> {
    match response.response.as_ref()? {
        Response::ResponseRange(range) => range.kvs.first(),
        _ => None,
    }
}

/// The condition that the key does not exist.
pub fn is_absent(key: impl Into<Vec<u8>>) -> Compare {
    equal(key, CompareTarget::Version, TargetUnion::Version(0))
}

/// The condition that a property of the key equals `value`.
pub fn equal(key: impl Into<Vec<u8>>, target: CompareTarget, value: TargetUnion) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key.into(),
        target_union: Some(value),
    }
}

/// The first key after all keys with `prefix`. The prefix must end in a slash.
pub fn end_of(prefix: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut end = prefix.into();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}
