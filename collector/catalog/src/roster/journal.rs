//! The journal: every change of an ephemeral instance since the last commit of the roster, one line of JSON each.
//!
//! A line is written before the change is acknowledged, and synced later. So it survives a crash of the process at once, and a
//! crash of the machine after the next sync. Lines are numbered. A commit of the roster stores the number of the last line that it
//! contains, so no line is applied twice. A line has the state of the instance after the change, so it may be applied to a row that
//! already contains it.
//!
//! A journal without the line of a change is marked as incomplete ([`Completeness`]) until a commit contains that change. If the
//! next run finds the mark, it refuses reads for a while.

use std::{
    borrow::{Borrow as _, Cow},
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::{Mutex, RwLock};
use rollcall_domain::catalog::{Effects, Event, Kind, Registry, ServiceKey};
use serde::{Deserialize, Serialize};

use crate::{
    rows::InstanceRow,
    store::{Completeness, Stores},
};

/// An unreadable line. It marks missing changes in a journal that cannot be marked as incomplete.
const LOSSY: &[u8] = b"?\n";

/// The usual number of bytes of a line, with room to spare.
const USUAL: usize = 384;

/// The services whose row is to be written, and the journal.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(super) stores: Stores,
    /// The most bytes of the journal. A commit shortens it when it is half full, so it reaches this only while commits fail.
    max: usize,
    state: Mutex<State>,
    failed: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    changed: BTreeSet<ServiceKey>,
    /// The number of the last line.
    number: u64,
    bytes: usize,
    /// Whether a line is missing since the last [`Roster::mark`].
    is_lossy: bool,
    /// Whether a line was appended since the last [`Roster::take_unsynced`].
    is_unsynced: bool,
}

/// A position in the journal: all lines up to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) number: u64,
    bytes: usize,
}

/// The state of an instance after a change; `registered` is absent once it is removed.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Line<'a> {
    pub(super) number: u64,
    /// The key of the service, as [`crate::rows::service_text`] writes it.
    pub(super) service: Cow<'a, str>,
    pub(super) ip: Cow<'a, str>,
    pub(super) port: u16,
    pub(super) cluster: Cow<'a, str>,
    #[serde(rename = "said", default, skip_serializing_if = "Option::is_none")]
    pub(super) registered: Option<InstanceRow>,
}

impl Roster {
    /// A roster whose journal has at most `max` bytes.
    pub(crate) fn new(stores: Stores, max: usize) -> Self {
        Self {
            stores,
            max,
            state: Mutex::default(),
            failed: AtomicU64::new(0),
        }
    }

    /// The number of commits of the roster that failed since the start.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(super) fn count_failure(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// Marks the journal as incomplete until [`Roster::trim`]. Otherwise the next run would take the list of a run that ended early
    /// for complete.
    pub(crate) fn mark_incomplete(&self) {
        let mut state = self.state.lock();
        let is_marked = self.record_loss(&mut state);
        if !is_marked {
            tracing::warn!(
                "catalog: a restart before the next commit of the roster may answer incomplete lists"
            );
        }
    }

    /// Records a missing line. Returns whether the next run will notice it.
    fn record_loss(&self, state: &mut State) -> bool {
        state.is_unsynced = true;
        let Err(error) = self.stores.journal.mark(Completeness::Incomplete) else {
            return true;
        };
        tracing::warn!(%error, "catalog: the journal of the roster could not be marked as incomplete");
        let is_appended = self.stores.journal.append(LOSSY).is_ok();
        if is_appended {
            state.bytes += LOSSY.len();
        }
        is_appended
    }

    /// Marks the changed services, and writes a line for each changed instance. The caller must not hold the lock of the
    /// registry: the state of an instance is read under the lock of the journal, so that a later line has a later state.
    pub(crate) fn changed(&self, effects: &Effects, registry: &RwLock<Registry>) {
        if effects.changed.is_empty() {
            return;
        }
        let mut lines = Vec::with_capacity(USUAL * effects.events.len());
        let mut state = self.state.lock();
        // The services are marked first, so that a commit that takes a marked service contains the lines that follow.
        for service in &effects.changed {
            if !state.changed.contains(service) {
                state.changed.insert(service.clone());
            }
        }
        let mut before: Option<&Event> = None;
        for event in effects.events.iter().filter(|e| e.kind.is_ephemeral()) {
            let is_same = |before: &Event| {
                before.endpoint == event.endpoint && before.service == event.service
            };
            if before.is_some_and(is_same) {
                continue;
            }
            before = Some(event);
            let line = state.line(event, &registry.read());
            if let Err(error) = serde_json::to_writer(&mut lines, &line) {
                tracing::warn!(%error, service = %event.service, "catalog: a line of the journal is not written");
            }
            lines.push(b'\n');
        }
        self.append(&mut state, &lines);
    }

    fn append(&self, state: &mut State, lines: &[u8]) {
        if lines.is_empty() || state.is_lossy {
            return;
        }
        let result = if state.bytes + lines.len() > self.max {
            Err(format!(
                "the journal is full: it holds {} bytes (nacos.default.journal = {})",
                state.bytes, self.max
            ))
        } else {
            self.stores
                .journal
                .append(lines)
                .map_err(|error| error.to_string())
        };
        let Err(error) = result else {
            state.bytes += lines.len();
            state.is_unsynced = true;
            return;
        };
        state.is_lossy = true;
        let is_marked = self.record_loss(state);
        tracing::warn!(
            %error,
            is_marked,
            "catalog: the journal of the roster could not be written: until the next commit of the roster a crash loses changes, \
             and the next run refuses reads for a while"
        );
    }

    /// The bytes of the journal.
    pub(crate) fn journal_bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Whether a commit must replace the journal soon, because it is half full or misses a line.
    pub(super) fn must_be_written(&self) -> bool {
        let state = self.state.lock();
        state.is_lossy || state.bytes >= self.max / 2
    }

    /// Whether the journal misses a change that no commit contains.
    pub(super) fn is_incomplete(&self) -> bool {
        self.state.lock().is_lossy || self.stores.journal.completeness() == Completeness::Incomplete
    }

    /// Whether the journal has lines that are not synced. The caller syncs it.
    pub(super) fn take_unsynced(&self) -> bool {
        std::mem::take(&mut self.state.lock().is_unsynced)
    }

    /// The end of the journal. A commit of all services that are marked now contains all lines before it.
    pub(super) fn mark(&self) -> Mark {
        let mut state = self.state.lock();
        state.is_lossy = false;
        Mark {
            number: state.number,
            bytes: state.bytes,
        }
    }

    pub(super) fn take(&self) -> Option<ServiceKey> {
        self.state.lock().changed.pop_first()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().changed.is_empty()
    }

    pub(super) fn retry(&self, services: Vec<ServiceKey>) {
        self.state.lock().changed.extend(services);
    }

    /// Removes the lines up to a mark, because a commit contains them. `is_complete`: whether the commit knows all instances.
    pub(super) fn trim(&self, mark: Mark, is_complete: bool) {
        let mut state = self.state.lock();
        self.remove_lines(&mut state, mark);
        if !is_complete || state.is_lossy {
            return;
        }
        if let Err(error) = self.stores.journal.mark(Completeness::Complete) {
            tracing::warn!(%error, "catalog: the journal of the roster stays marked as incomplete, a restart refuses reads for a while");
        }
    }

    fn remove_lines(&self, state: &mut State, mark: Mark) {
        if mark.bytes == 0 {
            return;
        }
        match self.stores.journal.trim(mark.bytes) {
            Ok(()) => state.bytes = state.bytes.saturating_sub(mark.bytes),
            Err(error) => {
                tracing::warn!(%error, "catalog: the journal of the roster could not be shortened");
            }
        }
    }

    /// Continues a journal after its last line.
    pub(super) fn resume(&self, number: u64, bytes: usize) {
        let mut state = self.state.lock();
        state.number = state.number.max(number);
        state.bytes = bytes;
    }
}

impl State {
    fn line<'a>(&mut self, event: &'a Event, registry: &Registry) -> Line<'a> {
        self.number += 1;
        let found = registry.lookup(&event.service, &event.endpoint, Some(Kind::Ephemeral));
        let service: &str = event.service.borrow();
        Line {
            number: self.number,
            service: service.into(),
            ip: (&*event.endpoint.ip).into(),
            port: event.endpoint.port,
            cluster: (&*event.endpoint.cluster).into(),
            registered: found
                .ok()
                .map(|instance| InstanceRow::of(&instance.registered)),
        }
    }
}
