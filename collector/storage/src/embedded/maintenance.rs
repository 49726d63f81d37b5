//! Maintenance of a store that no collector uses: reads its contents, raises its first ids, and removes properties, on which no id
//! depends.

use std::fs;

use rollcall_domain::properties::Caps;
use rollcall_domain::{
    Timestamp,
    inventory::{Instance, Properties, Row},
};

use super::{
    Config, Embedded, INSTANCES, Purpose, SEEN, directory::STORE, failure, first, open_for,
    resume::State,
};
use crate::{Batch, Counts, Error, FirstIds, LastSeen, Storage};

/// The contents of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Rows of each kind.
    pub counts: Counts,
    /// The size of the file, in bytes.
    pub file_bytes: u64,
    /// Bytes of the names and values of all properties.
    pub property_bytes: u64,
}

/// Which properties to remove.
#[derive(Clone, Copy, Debug)]
pub struct Pruning {
    /// The time before which an instance must have been last seen to lose all its properties.
    pub unseen_since: Timestamp,
    /// The limits for the properties of all other instances.
    pub caps: Caps,
    /// Whether to count only, and write nothing.
    pub dry_run: bool,
}

/// The properties that pruning removed, or would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Instances last seen too long ago.
    pub stale: u64,
    /// Instances whose properties exceed the limits.
    pub cut: u64,
    /// Bytes of names and values.
    pub bytes: u64,
}

/// The most instances that one transaction reads, and one rewrites.
const AT_ONCE: usize = 4096;
/// The bytes of rows after which a transaction ends even with fewer instances.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Opens an existing store, and never creates one.
///
/// # Errors
/// Those of [`open`](super::open), and [`Error::Absent`] if there is no store.
pub fn open_existing(config: &Config) -> Result<Embedded, Error> {
    open_if_there(config, Purpose::Write)
}

/// As [`open_existing`], but only to read the store. A store of an older format is not upgraded, so the release that wrote it can
/// still use it.
///
/// # Errors
/// As [`open_existing`].
pub fn open_to_read(config: &Config) -> Result<Embedded, Error> {
    open_if_there(config, Purpose::Read)
}

fn open_if_there(config: &Config, purpose: Purpose) -> Result<Embedded, Error> {
    let store = config.path.join(STORE);
    match store.try_exists() {
        Ok(true) => open_for(config, purpose, &[]),
        Ok(false) => Err(Error::Absent {
            path: config.path.clone(),
        }),
        Err(error) => Err(failure::io(&config.path, error)),
    }
}

/// A page of instances, each with its last-seen entry.
struct Page {
    instances: Vec<(Instance, Option<LastSeen>)>,
    /// The first id of the next page.
    next: Option<i32>,
}

impl Embedded {
    /// The contents of the store. Reads every instance.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    pub fn contents(&mut self) -> Result<Contents, Error> {
        let mut contents = Contents {
            counts: self.counts()?,
            file_bytes: self.file_bytes()?,
            property_bytes: 0,
        };
        let mut from = Some(i32::MIN);
        while let Some(first) = from {
            let page = self.page(first)?;
            let sizes = page
                .instances
                .iter()
                .map(|(instance, _)| size(&instance.properties));
            contents.property_bytes += sizes.sum::<u64>();
            from = page.next;
        }
        Ok(contents)
    }

    /// Raises the lowest ids that the dictionaries assign. Never lowers an id. Returns the ids now in force.
    ///
    /// # Errors
    /// Those of [`Storage::commit`].
    pub fn raise_first_ids(&mut self, ids: &FirstIds) -> Result<FirstIds, Error> {
        first::raise(self, ids)?;
        self.first_ids()
    }

    /// Removes properties. Every id keeps its row and its key.
    ///
    /// # Errors
    /// Those of [`Storage::load`] and [`Storage::commit`].
    pub fn prune(&mut self, pruning: &Pruning) -> Result<Pruned, Error> {
        let mut pruned = Pruned::default();
        let mut from = Some(i32::MIN);
        while let Some(first) = from {
            let page = self.page(first)?;
            let changed: Vec<Row> = page
                .instances
                .into_iter()
                .filter_map(|(instance, seen)| pruned.prune(instance, seen, pruning))
                .map(Row::Instance)
                .collect();
            if !pruning.dry_run && !changed.is_empty() {
                let batch = Batch {
                    rows: &changed,
                    ..Batch::default()
                };
                let _the_only_owner = self.commit(batch)?;
            }
            from = page.next;
        }
        if !pruning.dry_run && pruned.bytes > 0 {
            self.compact()?;
        }
        Ok(pruned)
    }

    fn compact(&mut self) -> Result<(), Error> {
        let State::Open(database) = &mut self.state else {
            return Ok(());
        };
        let compacted = database.compact();
        compacted.map(drop).map_err(|error| self.engine(error))
    }

    fn page(&self, first: i32) -> Result<Page, Error> {
        let transaction = self.begin_read()?;
        let rows = transaction
            .open_table(INSTANCES)
            .map_err(|e| self.engine(e))?;
        let seen = transaction.open_table(SEEN).map_err(|e| self.engine(e))?;
        let mut page = Page {
            instances: Vec::new(),
            next: None,
        };
        let mut bytes = 0;
        for row in rows.range(first..).map_err(|e| self.engine(e))? {
            let (id, value) = row.map_err(|e| self.engine(e))?;
            let id = id.value();
            if page.instances.len() == AT_ONCE || bytes >= BYTES_AT_ONCE {
                page.next = Some(id);
                break;
            }
            bytes += value.value().len();
            let seen = seen.get(id).map_err(|e| self.engine(e))?;
            let seen = seen.map(|value| self.decode(SEEN, id, value.value()));
            let instance = self.decode(INSTANCES, id, value.value())?;
            page.instances.push((instance, seen.transpose()?));
        }
        Ok(page)
    }

    fn file_bytes(&self) -> Result<u64, Error> {
        let metadata = fs::metadata(&self.store);
        metadata
            .map(|file| file.len())
            .map_err(|error| failure::io(&self.store, error))
    }
}

impl Pruned {
    /// Returns the instance to write; `None` if it needs no change.
    fn prune(
        &mut self,
        mut instance: Instance,
        seen: Option<LastSeen>,
        pruning: &Pruning,
    ) -> Option<Instance> {
        let last_seen = seen.map_or(instance.registered_at, |seen| seen.last_seen);
        let before = size(&instance.properties);
        if instance.properties.is_empty() {
            return None;
        }
        if last_seen < pruning.unseen_since {
            self.stale += 1;
            instance.properties = Properties::default();
        } else if !pruning.caps.admit(&instance.properties) {
            self.cut += 1;
            instance.properties = pruning.caps.fit(&instance.properties);
        } else {
            return None;
        }
        self.bytes += before - size(&instance.properties);
        Some(instance)
    }
}

fn size(properties: &Properties) -> u64 {
    let sizes = properties
        .iter()
        .map(|(name, value)| name.len() + value.len());
    u64::try_from(sizes.sum::<usize>()).unwrap_or(u64::MAX)
}
