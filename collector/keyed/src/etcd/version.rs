//! The versions that a store in etcd records.

use rollcall_etcd::{
    proto::{RangeRequest, TxnRequest},
    request::{is_absent, put},
};

use super::{Error, Remote};

/// Creates the store at `base` if there is none, and refuses one that needs a later build.
pub(super) fn claim(remote: &Remote, base: &str, own: u32) -> Result<(), Error> {
    // Reads first, because an etcd without space refuses writes.
    if check(remote, base, own)? {
        return Ok(());
    }
    let [format, reader] = ["format", "reader"].map(|name| format!("{base}/{name}"));
    let text = || own.to_string().into_bytes();
    let created = remote.transaction(TxnRequest {
        compare: vec![is_absent(&*reader)],
        success: vec![put(&*format, text()), put(&*reader, text())],
        failure: Vec::new(),
    })?;
    if !created.succeeded {
        check(remote, base, own)?;
    }
    Ok(())
}

/// Whether the store exists and this build reads it.
fn check(remote: &Remote, base: &str, own: u32) -> Result<bool, Error> {
    let key = format!("{base}/reader");
    let found = remote.range(RangeRequest {
        key: key.clone().into_bytes(),
        ..RangeRequest::default()
    })?;
    let Some(found) = found.kvs.first() else {
        return Ok(false);
    };
    let reader = str::from_utf8(&found.value).ok();
    match reader.and_then(|text| text.parse::<u32>().ok()) {
        Some(reader) if reader <= own => Ok(true),
        Some(reader) => Err(Error::Unreadable(format!(
            "{key}: a later release wrote the store (format {reader}, this one reads up to {own}): start that release"
        ))),
        None => Err(Error::Unreadable(format!("{key}: it holds no version"))),
    }
}
