//! Instances whose generation or properties changed: one key for each, which is overwritten.
//!
//! The log holds the identity of an instance. A key here has the whole latest state of the instance. It has precedence over the log
//! if it has the same identity: application, UUID, time of registration. A key that cannot be read is reported and deleted; the
//! instance then has the state of the log until its agent reports again.

use std::collections::{BTreeMap, HashMap};

use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{Instance, Row},
};
use rollcall_etcd::proto::{
    Compare, KeyValue, RangeRequest, TxnRequest,
    compare::{CompareTarget, TargetUnion},
};
use rollcall_etcd::request::{delete, end_of, equal, found, get, put};
use rollcall_protobuf::{Fields, Value};

use super::{Commit, Error, Record, Remote, value};
use crate::{
    Damage,
    codec::{Invalid, row},
};

/// Keys that one transaction reads by name, each of at most one row.
const AT_ONCE: usize = 16;
/// Operations in a transaction that writes; etcd accepts 128.
const OPERATIONS: usize = 64;
/// Bytes of rows in a transaction that writes; one row alone may be larger.
const BYTES: usize = 512 * 1024;
/// Keys without values in a page of a listing.
const PAGE: i64 = 8192;

#[derive(Debug)]
pub(super) struct Changed {
    prefix: String,
    /// The revision of etcd up to which changes are applied, except for changes that the watch has yet to report.
    revision: i64,
    /// The identity of each instance in the log, as a checksum.
    identities: HashMap<InstanceId, u32>,
}

/// The places to which a committed instance is written.
pub(super) struct Targets {
    pub(super) log: bool,
    pub(super) changed: bool,
}

impl Changed {
    pub(super) fn new(remote: &Remote) -> Self {
        Self {
            prefix: remote.key("changed/"),
            revision: 0,
            identities: HashMap::new(),
        }
    }

    /// Records the identity of an instance in the log.
    pub(super) fn record_identity(&mut self, row: &Row) {
        if let Row::Instance(instance) = row {
            self.identities.insert(instance.id, identity(instance));
        }
    }

    /// Reserves memory for this many instances.
    pub(super) fn reserve(&mut self, instances: usize) {
        self.identities.reserve(instances);
    }

    /// The places to which an instance is written. An instance that is in the log is written as a changed instance. If its identity
    /// became known, it is written to both places, so that its key here is never older than the log.
    pub(super) fn targets(&self, instance: &Instance) -> Targets {
        let known = self.identities.get(&instance.id);
        Targets {
            log: known != Some(&identity(instance)),
            changed: known.is_some(),
        }
    }

    /// Writes the last state of each instance, on the condition `is_unchanged`: that the log has no new entry.
    pub(super) fn write(
        &self,
        remote: &Remote,
        instances: &[&Instance],
        is_unchanged: Option<&Compare>,
    ) -> Result<Commit, Error> {
        let instances: BTreeMap<_, _> = instances.iter().map(|it| (it.id, *it)).collect();
        let mut instances = instances.into_values().peekable();
        while instances.peek().is_some() {
            let (mut puts, mut bytes) = (Vec::new(), 0);
            while let Some(instance) = instances.peek() {
                let key = self.key(instance.id);
                let mut message = Vec::new();
                row::put(&mut message, 1, *instance);
                let is_full = puts.len() == OPERATIONS || bytes + message.len() > BYTES;
                if is_full && !puts.is_empty() {
                    break;
                }
                bytes += message.len();
                puts.push(put(&*key, value::seal(&key, &message)));
                instances.next();
            }
            let written = remote.transaction(TxnRequest {
                compare: is_unchanged.cloned().into_iter().collect(),
                success: puts,
                failure: Vec::new(),
            })?;
            if !written.succeeded {
                return Ok(Commit::Conflict);
            }
        }
        Ok(Commit::Durable)
    }

    /// Emits all instances; `before` is the revision of etcd when the reading of the log began.
    pub(super) fn read_all(
        &mut self,
        remote: &Remote,
        before: i64,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let prefix = self.prefix.clone();
        let mut unreadable = Vec::new();
        remote.each(&prefix, prefix.clone().into_bytes(), |pair| {
            if !self.emit(pair, sink) {
                unreadable.push(pair.clone());
            }
            Ok::<_, Error>(())
        })?;
        self.revision = before;
        self.discard(remote, &unreadable)
    }

    /// Emits the instances that changed since the last read; `before` as in [`Self::read_all`].
    pub(super) fn read(
        &mut self,
        remote: &Remote,
        before: i64,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let mut from = self.prefix.clone().into_bytes();
        let mut changed = Vec::new();
        loop {
            let page = remote.range(RangeRequest {
                key: from,
                range_end: end_of(&*self.prefix),
                limit: PAGE,
                keys_only: true,
                ..RangeRequest::default()
            })?;
            let is_new = |pair: &&KeyValue| pair.mod_revision > self.revision;
            changed.extend(page.kvs.iter().filter(is_new).map(|pair| pair.key.clone()));
            match page.kvs.into_iter().last() {
                Some(last) if page.more => {
                    from = last.key;
                    from.push(0);
                }
                _ => break,
            }
        }
        for keys in changed.chunks(AT_ONCE) {
            let read = remote.transaction(TxnRequest {
                success: keys.iter().map(|key| get(key.clone())).collect(),
                ..TxnRequest::default()
            })?;
            let pairs: Vec<_> = read.responses.iter().filter_map(found).cloned().collect();
            self.apply(remote, &pairs, sink)?;
        }
        self.revision = before;
        Ok(())
    }

    /// Emits the instances of watch events.
    pub(super) fn apply(
        &mut self,
        remote: &Remote,
        pairs: &[KeyValue],
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let mut unreadable = Vec::new();
        for pair in pairs {
            if !self.emit(pair, sink) {
                unreadable.push(pair.clone());
            }
        }
        self.discard(remote, &unreadable)
    }

    /// Emits the instance of a key. Returns `false` if the key belongs to the store and cannot be read.
    fn emit(&self, pair: &KeyValue, sink: &mut dyn FnMut(Record)) -> bool {
        let key = String::from_utf8_lossy(&pair.key);
        let id = key.strip_prefix(&*self.prefix).unwrap_or_default();
        let id = id.parse().ok().and_then(InstanceId::new);
        let Some(id) = id.filter(|id| self.key(*id) == *key) else {
            sink(Record::Damage(Damage::soft(
                pair,
                "not a key of the store, ignored",
            )));
            return true;
        };
        match value::unseal(&key, &pair.value).and_then(read) {
            Ok(instance) if self.identities.get(&id) == Some(&identity(&instance)) => {
                sink(Record::Changed(instance));
                true
            }
            // The log has grown since it was read, so the identity is not known yet. The next read emits the new state.
            Ok(_) => true,
            Err(invalid) => {
                let what = format!("{invalid}; it is deleted");
                sink(Record::Damage(Damage::soft(pair, what)));
                false
            }
        }
    }

    /// Deletes unreadable keys that are unchanged since they were read.
    fn discard(&self, remote: &Remote, unreadable: &[KeyValue]) -> Result<(), Error> {
        for pair in unreadable {
            let unchanged = TargetUnion::ModRevision(pair.mod_revision);
            let _is_another_by_now = remote.transaction(TxnRequest {
                compare: vec![equal(pair.key.clone(), CompareTarget::Mod, unchanged)],
                success: vec![delete(pair.key.clone())],
                failure: Vec::new(),
            })?;
        }
        Ok(())
    }

    fn key(&self, id: InstanceId) -> String {
        format!("{}{:010}", self.prefix, id.get())
    }
}

/// The checksum of the fields of an instance that never change, except that an unknown application may become known.
fn identity(instance: &Instance) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let application = instance.application.map_or(0, ApplicationId::get);
    hasher.update(&application.to_le_bytes());
    hasher.update(&instance.registered_at.millis().to_le_bytes());
    hasher.update(&[
        u8::from(instance.adopted),
        u8::from(instance.uuid.is_some()),
    ]);
    hasher.update(instance.uuid.as_deref().unwrap_or_default().as_bytes());
    hasher.finalize()
}

fn read(message: &[u8]) -> Result<Instance, Invalid> {
    for field in Fields::of(message) {
        if let (1, Value::Bytes(row)) = field? {
            return row::read(row);
        }
    }
    Err(Invalid::Missing("the instance"))
}
