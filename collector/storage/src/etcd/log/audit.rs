//! Audits the keys of the log and its snapshot, so that a lost key is reported while collectors still hold its rows.

use std::collections::BTreeSet;

use rollcall_etcd::proto::{
    KeyValue, RangeRequest, RequestOp, ResponseOp, TxnRequest, request_op::Request,
    response_op::Response,
};
use rollcall_etcd::request::end_of;

use super::{Log, index};
use crate::{Damage, Record, error::Error, etcd::Remote};

impl Log {
    /// Lists the keys and reports the first one that is missing or was overwritten. Reports the repair once all keys are intact.
    ///
    /// # Errors
    /// Those of the calls to etcd.
    pub(in crate::etcd) fn audit(
        &mut self,
        remote: &Remote,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let Some(last) = self.known.last else {
            return Ok(());
        };
        let listed = remote.transaction(TxnRequest {
            success: vec![keys(&self.prefix), keys(&self.snapshot)],
            ..TxnRequest::default()
        })?;
        let mut listed = listed.responses.iter().map(pairs);
        let entries = listed.next().unwrap_or_default();
        let parts = listed.next().unwrap_or_default();
        let lasts: BTreeSet<u64> = parts
            .iter()
            .filter_map(|part| index(&self.snapshot, &part.key))
            .collect();
        let lost_part = self.parts.difference(&lasts).next();
        let lost_part = lost_part.map(|last| self.part_key(*last));
        self.parts.extend(lasts);
        self.is_stalled = false;
        self.may_be_whole = false;
        let mut due = std::iter::once(1).chain(self.first_unreplaced()..=last.index);
        let there: BTreeSet<u64> = entries
            .iter()
            .filter_map(|entry| index(&self.prefix, &entry.key))
            .collect();
        let lost_entry = due.find(|index| !there.contains(index));
        let lost = lost_part.or_else(|| lost_entry.map(|lost| self.key(lost)));
        let own = |pair: &&KeyValue| {
            let prefixes = [&self.prefix, &self.snapshot];
            prefixes
                .iter()
                .any(|prefix| index(prefix, &pair.key).is_some())
        };
        let overwritten = entries
            .iter()
            .chain(parts)
            .filter(own)
            .find(|pair| pair.version > 1)
            .map(|pair| Damage::hard(pair, "it was overwritten"));
        let lost = lost.map(|key| Damage::Hard {
            key,
            what: "it is missing".to_owned(),
        });
        match lost.or(overwritten) {
            Some(damage) => {
                self.is_damaged = true;
                sink(Record::Damage(damage));
            }
            None if self.is_damaged => {
                self.is_damaged = false;
                sink(Record::Damage(Damage::Repaired));
            }
            None => {}
        }
        Ok(())
    }
}

fn keys(prefix: &str) -> RequestOp {
    let range = RangeRequest {
        key: prefix.into(),
        range_end: end_of(prefix),
        keys_only: true,
        ..RangeRequest::default()
    };
    RequestOp {
        request: Some(Request::RequestRange(range)),
    }
}

fn pairs(response: &ResponseOp) -> &[KeyValue] {
    match &response.response {
        Some(Response::ResponseRange(range)) => &range.kvs,
        _ => &[],
    }
}
