//! The rows that this process has read: the revision of each row's last change.

use std::collections::{HashMap, HashSet};

use rollcall_etcd::proto::{Event, KeyValue, event::EventType};

/// The rows that this process has read or written.
#[derive(Debug, Default)]
pub(super) struct KnownRows {
    /// The revision of etcd up to which changes are known.
    pub(super) revision: i64,
    rows: HashMap<Vec<u8>, i64>,
}

impl KnownRows {
    /// The number of known rows together with `pairs`, some of which may be known already.
    pub(super) fn len_with(&self, pairs: &[KeyValue]) -> usize {
        let is_new = |pair: &&KeyValue| !self.rows.contains_key(&pair.key);
        self.rows.len() + pairs.iter().filter(is_new).count()
    }

    /// The revision of the row's last change; 0 if there is no row.
    pub(super) fn revision_of(&self, key: &[u8]) -> i64 {
        self.rows.get(key).copied().unwrap_or(0)
    }

    /// Records a row that was read. Returns `false` if it is unchanged.
    pub(super) fn record(&mut self, pair: &KeyValue) -> bool {
        let before = self.rows.insert(pair.key.clone(), pair.mod_revision);
        before != Some(pair.mod_revision)
    }

    /// Records a row that was written at this revision, or removed.
    pub(super) fn set(&mut self, key: &[u8], revision: Option<i64>) {
        match revision {
            Some(revision) => self.rows.insert(key.to_vec(), revision),
            None => self.rows.remove(key),
        };
    }

    /// Forgets all rows except the present ones, and returns the keys of the removed ones.
    pub(super) fn retain(&mut self, present: &[KeyValue]) -> Vec<Vec<u8>> {
        let present: HashSet<&[u8]> = present.iter().map(|pair| &*pair.key).collect();
        let mut removed = Vec::new();
        self.rows.retain(|key, _| {
            let is_present = present.contains(&**key);
            if !is_present {
                removed.push(key.clone());
            }
            is_present
        });
        removed
    }

    /// Whether a watched event is an unknown change.
    pub(super) fn is_news(&self, event: &Event) -> bool {
        let Some(pair) = &event.kv else {
            return false;
        };
        match event.r#type() {
            EventType::Put => self.revision_of(&pair.key) != pair.mod_revision,
            EventType::Delete => self.rows.contains_key(&pair.key),
        }
    }
}
