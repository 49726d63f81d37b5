//! The namespace that a store belongs to.

use rollcall_etcd::proto::{RangeRequest, TxnRequest};
use rollcall_etcd::request::{is_absent, put};

use super::{Error, Remote};

/// Checks that the store belongs to `own`, and records `own` if the store has no namespace yet.
///
/// # Errors
/// The store belongs to another namespace, or the call to etcd failed.
pub(super) fn claim(remote: &Remote, own: &str) -> Result<(), Error> {
    // Read first: an etcd without space refuses writes, even one that changes nothing.
    if check(remote, own)? {
        return Ok(());
    }
    let key = remote.key("namespace");
    let recorded = remote.transaction(TxnRequest {
        compare: vec![is_absent(&*key)],
        success: vec![put(&*key, own.as_bytes().to_vec())],
        failure: Vec::new(),
    })?;
    if !recorded.succeeded {
        check(remote, own)?;
    }
    Ok(())
}

/// Whether the store records `own`; `false` if it records no namespace.
fn check(remote: &Remote, own: &str) -> Result<bool, Error> {
    let found = remote.range(RangeRequest {
        key: remote.key("namespace").into_bytes(),
        ..RangeRequest::default()
    })?;
    match found.kvs.first() {
        Some(found) if found.value == own.as_bytes() => Ok(true),
        Some(found) => Err(Error::OtherNamespace {
            store: remote.key(""),
            found: String::from_utf8_lossy(&found.value).into_owned(),
            own: own.to_owned(),
        }),
        None => Ok(false),
    }
}
