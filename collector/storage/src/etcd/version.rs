//! The versions that a store records, in the keys `format` and `reader`.
//!
//! The format is a plain number in a key of its own, as in version 1. Builds of version 1 refuse any number but 1.

use rollcall_etcd::proto::{
    KeyValue, RequestOp, TxnRequest, TxnResponse,
    compare::{CompareTarget, TargetUnion},
};
use rollcall_etcd::request::{equal, found, get, is_absent, put};

use super::{Error, Remote, corrupt};
use crate::version::{Admission, VERSION, Versions};

const FORMAT: &str = "format";
const READER: &str = "reader";

/// Attempts to raise the versions while other collectors do the same.
const ATTEMPTS: usize = 8;

impl Remote {
    /// Creates the store if there is none, upgrades an older format, and refuses a store that needs a newer build. Writes only if
    /// there is something to change, because an etcd without space refuses all writes.
    pub(super) fn claim_version(&self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let read = self.read_versions()?;
            if read.responses.iter().any(|read| found(read).is_some()) {
                let (_, found) = self.versions(&read)?;
                if self.admit(found)? == Admission::Current {
                    return Ok(());
                }
            }
            let created = self.transaction(TxnRequest {
                compare: vec![is_absent(self.key(FORMAT)), is_absent(self.key(READER))],
                success: self.put_versions(Versions::NEW),
                failure: self.get_versions(),
            })?;
            if created.succeeded {
                return Ok(());
            }
            let (revision, found) = self.versions(&created)?;
            let Admission::Raise(versions) = self.admit(found)? else {
                return Ok(());
            };
            let unchanged = TargetUnion::ModRevision(revision);
            let upgrade = self.transaction(TxnRequest {
                compare: vec![equal(self.key(FORMAT), CompareTarget::Mod, unchanged)],
                success: self.put_versions(versions),
                failure: Vec::new(),
            })?;
            if upgrade.succeeded {
                let (from, to) = (found.format, versions.format);
                tracing::info!(
                    from,
                    to,
                    "shared store upgraded to this release's format, collectors of older releases cannot join again once they stop"
                );
                return Ok(());
            }
        }
        Err(Error::Unavailable {
            store: self.key(""),
            reason: "the format version keeps changing".to_owned(),
        })
    }

    /// Checks that this build may still use the store, which a newer build may have upgraded.
    pub(super) fn check_version(&self) -> Result<(), Error> {
        let (_, found) = self.versions(&self.read_versions()?)?;
        self.admit(found).map(|_| ())
    }

    fn read_versions(&self) -> Result<TxnResponse, Error> {
        self.transaction(TxnRequest {
            success: self.get_versions(),
            ..TxnRequest::default()
        })
    }

    fn admit(&self, found: Versions) -> Result<Admission, Error> {
        match found.admit() {
            Admission::Refuse { needed } => Err(Error::UnsupportedVersion {
                path: self.key(READER).into(),
                found: needed,
                supported: VERSION,
            }),
            admission => Ok(admission),
        }
    }

    fn put_versions(&self, versions: Versions) -> Vec<RequestOp> {
        let text = |version: u32| version.to_string().into_bytes();
        vec![
            put(self.key(FORMAT), text(versions.format)),
            put(self.key(READER), text(versions.reader)),
        ]
    }

    fn get_versions(&self) -> Vec<RequestOp> {
        vec![get(self.key(FORMAT)), get(self.key(READER))]
    }

    /// The versions that [`Remote::get_versions`] found, and the revision of the first key.
    fn versions(&self, read: &TxnResponse) -> Result<(i64, Versions), Error> {
        let number = |name, pair: Option<&KeyValue>| {
            let number = |pair: &KeyValue| str::from_utf8(&pair.value).ok()?.parse().ok();
            let Some(pair) = pair else {
                return Ok(None);
            };
            match number(pair) {
                Some(number) if number > 0 => Ok(Some((pair.mod_revision, number))),
                _ => Err(corrupt(self.key(name), "it holds no version")),
            }
        };
        let mut pairs = read.responses.iter().map(found);
        let format = number(FORMAT, pairs.next().flatten())?;
        let reader = number(READER, pairs.next().flatten())?;
        let Some((revision, format)) = format else {
            return Err(corrupt(self.key(FORMAT), "it is missing"));
        };
        let reader = reader.map(|(_, reader)| reader);
        Ok((revision, Versions::found(format, reader)))
    }
}
