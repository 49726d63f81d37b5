//! Fuzzy watches: a 3.x client watches all services whose names match a pattern.
//!
//! A watch has two sets of services: those that match now, and those that the client has acknowledged. The difference is the next
//! notification. It is computed when it can be sent, so a service that appeared and vanished in between is never reported. A
//! pattern is `namespace>>group>>service`; a service in a message is `namespace@@group@@service`.
//!
//! A watch has a limited number of services. At the limit it leaves out new services. When it has room again it becomes stale, and
//! the caller lists the services again.
//!
//! Left out: I/O and time. The caller lists the services, reports changes, and supplies the time.

use std::collections::BTreeSet;

use rollcall_domain::catalog::namespace_name;

#[cfg(test)]
mod tests;
mod watches;

pub(super) use watches::Watches;

/// Services in one message.
const BATCH: usize = 10;

/// A pattern for one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    /// As the client wrote it.
    text: String,
    namespace: String,
    group: Glob,
    service: Glob,
}

/// A text with `*` at its start, its end, or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Glob {
    part: String,
    is_open_before: bool,
    is_open_after: bool,
}

/// A service by its names in messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub(super) group: String,
    pub(super) service: String,
}

/// A change of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) service: Name,
    pub(super) is_added: bool,
}

/// A message to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Some of the services, at the start or after a repeated request of the client.
    Sync {
        is_first: bool,
        changes: Vec<Change>,
        total: usize,
        current: usize,
    },
    /// The client has acknowledged all services of the start.
    Finish,
    /// One service appeared or disappeared.
    Change(Change),
}

/// A watch of one client.
#[derive(Debug)]
pub(super) struct Watch {
    pattern: Pattern,
    /// The services that match now, at most `most` of them.
    present: BTreeSet<Name>,
    most: usize,
    /// Whether more services match than `present` has.
    is_cut: bool,
    /// Whether `present` may differ from a listing.
    is_stale: bool,
    /// The services that the client has acknowledged.
    acknowledged: BTreeSet<Name>,
    phase: Phase,
    /// The changes of the notification that is not acknowledged yet.
    pending: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Sends the difference in batches; this many were sent.
    Syncing {
        is_first: bool,
        sent: usize,
        total: Option<usize>,
    },
    /// Sends changes.
    Steady,
}

impl Pattern {
    /// Reads a pattern; `None` if it does not have three parts, or has a `*` within a part.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(">>");
        let (namespace, group, service) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || text.len() > 1024 {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            namespace: namespace.to_owned(),
            group: Glob::parse(group)?,
            service: Glob::parse(service)?,
        })
    }

    /// As the client wrote it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The only group whose services can match; `None` if there may be several.
    pub(super) fn exact_group(&self) -> Option<&str> {
        self.group.exact()
    }

    /// Whether the pattern is for this namespace; the empty name stands for `public`.
    pub(super) fn is_of(&self, namespace: &str) -> bool {
        namespace_name(&self.namespace) == namespace_name(namespace)
    }

    /// Whether a service of the namespace matches.
    pub(super) fn matches(&self, group: &str, service: &str) -> bool {
        self.group.matches(group) && self.service.matches(service)
    }
}

impl Glob {
    fn parse(text: &str) -> Option<Self> {
        let (is_open_before, rest) = match text.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (is_open_after, part) = match rest.strip_suffix('*') {
            Some(part) => (true, part),
            None => (text == "*", rest),
        };
        (!part.contains('*') && !text.is_empty()).then(|| Self {
            part: part.to_owned(),
            is_open_before,
            is_open_after,
        })
    }

    /// The only text that matches, if there is one.
    fn exact(&self) -> Option<&str> {
        let is_open = self.is_open_before || self.is_open_after;
        (!is_open).then_some(&*self.part)
    }

    fn matches(&self, text: &str) -> bool {
        match (self.is_open_before, self.is_open_after) {
            (false, false) => text == self.part,
            (false, true) => text.starts_with(&*self.part),
            (true, false) => text.ends_with(&*self.part),
            (true, true) => text.contains(&*self.part),
        }
    }
}

impl Watch {
    /// A watch of at most `most` services for a client that has received these.
    pub(super) fn new(
        pattern: Pattern,
        is_initializing: bool,
        received: impl IntoIterator<Item = Name>,
        present: BTreeSet<Name>,
        most: usize,
    ) -> Self {
        Self {
            pattern,
            present,
            most,
            is_cut: false,
            is_stale: false,
            acknowledged: received.into_iter().collect(),
            phase: Phase::Syncing {
                is_first: is_initializing,
                sent: 0,
                total: None,
            },
            pending: Vec::new(),
        }
    }

    pub(super) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Whether a message waits for an acknowledgement.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Records that a service of the namespace appeared or vanished. Returns whether the watch has changed.
    pub(super) fn change(&mut self, name: &Name, is_there: bool) -> bool {
        if !self.pattern.matches(&name.group, &name.service) {
            return false;
        }
        if !is_there {
            let was_present = self.present.remove(name);
            self.is_stale |= was_present && self.is_cut;
            return was_present;
        }
        let has_room = self.present.len() < self.most || self.present.contains(name);
        if has_room {
            self.present.insert(name.clone());
        }
        self.is_cut |= !has_room;
        has_room
    }

    /// Refreshes a stale watch from a listing, which may leave out services beyond the limit. Services of the watch stay as long as
    /// they exist, so that the client gets no notification of an end that did not happen.
    pub(super) fn refresh(&mut self, listed: &BTreeSet<Name>, exists: impl Fn(&Name) -> bool) {
        self.is_stale = false;
        self.present
            .retain(|name| listed.contains(name) || exists(name));
        let mut missing = listed
            .difference(&self.present)
            .cloned()
            .collect::<Vec<_>>();
        let room = self.most.saturating_sub(self.present.len());
        self.is_cut = missing.len() > room;
        missing.truncate(room);
        self.present.extend(missing);
    }

    /// The next message; `None` while one is not acknowledged, or if nothing has changed.
    pub(super) fn next(&mut self) -> Option<Message> {
        if self.is_pending() {
            return None;
        }
        if let Phase::Syncing {
            is_first,
            sent,
            total,
        } = self.phase
        {
            let batch: Vec<_> = self.difference().take(BATCH).collect();
            if batch.is_empty() {
                self.phase = Phase::Steady;
                return is_first.then_some(Message::Finish);
            }
            let count = || self.difference().count().div_ceil(BATCH);
            // Services that appeared in between may need more batches than were announced.
            let total = total.unwrap_or_else(count).max(sent + 1);
            self.phase = Phase::Syncing {
                is_first,
                sent: sent + 1,
                total: Some(total),
            };
            self.pending.clone_from(&batch);
            return Some(Message::Sync {
                is_first,
                changes: batch,
                total,
                current: sent + 1,
            });
        }
        let change = self.difference().next()?;
        self.pending = vec![change.clone()];
        Some(Message::Change(change))
    }

    /// Records whether the client acknowledged the last message. A message without an acknowledgement is sent again.
    pub(super) fn acknowledge(&mut self, is_accepted: bool) {
        for Change { service, is_added } in self.pending.drain(..) {
            if !is_accepted {
                continue;
            }
            if is_added {
                self.acknowledged.insert(service);
            } else {
                self.acknowledged.remove(&service);
            }
        }
    }

    /// The services that the client lacks, and those that it has although they no longer match.
    fn difference(&self) -> impl Iterator<Item = Change> {
        let change = |is_added| {
            move |service: &Name| Change {
                service: service.clone(),
                is_added,
            }
        };
        let missing = self.present.difference(&self.acknowledged);
        let surplus = self.acknowledged.difference(&self.present);
        missing.map(change(true)).chain(surplus.map(change(false)))
    }
}
