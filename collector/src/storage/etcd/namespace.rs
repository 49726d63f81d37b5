//! The namespace that a store belongs to.

use rollcall_proto::etcd::{RangeRequest, TxnRequest};

use super::{Error, Remote};
use crate::etcd::request::{is_absent, put};

/// Checks that the store belongs to `own`, and records that if the store does not name a namespace yet.
///
/// # Errors
/// The store belongs to another namespace, or etcd cannot be asked.
pub(super) fn claim(remote: &Remote, own: &str) -> Result<(), Error> {
    let key = remote.key("namespace");
    let record = TxnRequest {
        compare: vec![is_absent(&*key)],
        success: vec![put(&*key, own.as_bytes().to_vec())],
        failure: Vec::new(),
    };
    if remote.transaction(record)?.succeeded {
        return Ok(());
    }
    let found = remote.range(RangeRequest {
        key: key.clone().into_bytes(),
        ..RangeRequest::default()
    })?;
    match found.kvs.first() {
        Some(found) if found.value != own.as_bytes() => Err(Error::OtherNamespace {
            store: remote.key(""),
            found: String::from_utf8_lossy(&found.value).into_owned(),
            own: own.to_owned(),
        }),
        // An operator who has deleted the key meanwhile has it recorded at the next start.
        Some(_) | None => Ok(()),
    }
}
