//! The location of the store, and blocking calls to it.

use rollcall_etcd::proto::{KeyValue, RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use rollcall_etcd::{self as etcd, Client, request::end_of};
use tokio::runtime::Handle;

use super::Error;

#[derive(Debug)]
pub(super) struct Remote {
    pub(super) client: Client,
    pub(super) runtime: Handle,
}

/// Keys in the first page of a range. Later pages follow the size of the values.
const FIRST_PAGE: usize = 16;
/// The most keys in a page.
const LARGEST_PAGE: usize = 8192;
/// The target size of a page, in bytes of values.
const PAGE_BYTES: usize = 1024 * 1024;

impl Remote {
    /// A key of the store.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}/store/{name}", self.client.prefix())
    }

    /// Emits every key with `prefix`, from `from` on, in order. Reads about [`PAGE_BYTES`] at a time, and stops at the first
    /// error of `sink`.
    pub(super) fn each<E: From<Error>>(
        &self,
        prefix: &str,
        mut from: Vec<u8>,
        mut sink: impl FnMut(&KeyValue) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut limit = FIRST_PAGE;
        loop {
            let page = self.range(RangeRequest {
                key: from,
                range_end: end_of(prefix),
                limit: i64::try_from(limit).unwrap_or(i64::MAX),
                ..RangeRequest::default()
            })?;
            let bytes: usize = page.kvs.iter().map(|pair| pair.value.len()).sum();
            let fitting = limit.saturating_mul(PAGE_BYTES) / bytes.max(1);
            limit = fitting.clamp(1, limit.saturating_mul(4)).min(LARGEST_PAGE);
            page.kvs.iter().try_for_each(&mut sink)?;
            match page.kvs.into_iter().last() {
                Some(last) if page.more => {
                    from = last.key;
                    from.push(0);
                }
                _ => return Ok(()),
            }
        }
    }

    /// The present revision of etcd.
    pub(super) fn revision(&self) -> Result<i64, Error> {
        let counted = self.range(RangeRequest {
            key: self.key("format").into_bytes(),
            count_only: true,
            ..RangeRequest::default()
        })?;
        Ok(counted.header.map_or(0, |header| header.revision))
    }

    pub(super) fn range(&self, range: RangeRequest) -> Result<RangeResponse, Error> {
        self.wait(self.client.range(range))
    }

    pub(super) fn transaction(&self, transaction: TxnRequest) -> Result<TxnResponse, Error> {
        self.wait(self.client.transaction(transaction))
    }

    fn wait<R>(&self, call: impl Future<Output = Result<R, etcd::Error>>) -> Result<R, Error> {
        let answer = self.runtime.block_on(call);
        let store = || self.key("");
        answer.map_err(|error| match error {
            etcd::Error::Unavailable { .. } | etcd::Error::Failed { .. } => Error::Unavailable {
                store: store(),
                reason: error.to_string(),
            },
            etcd::Error::NoSpace { .. } => Error::NoSpace {
                store: store(),
                reason: error.to_string(),
            },
            etcd::Error::Invalid { .. } => Error::Invalid {
                store: store(),
                reason: error.to_string(),
            },
            etcd::Error::Refused { .. } => Error::Refused {
                store: store(),
                reason: error.to_string(),
            },
        })
    }
}
