//! The collectors as evidence: their names, and when and how they left.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use rollcall_domain::{
    Timestamp,
    membership::{Member, Tag, View},
};

use super::events::{CollectorEvent, Event, Feed};

/// The most names that are kept. Beyond this number, the names of collectors that left are dropped.
const NAMES: usize = 4096;

/// The names of the collectors. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<Tag, Name>>>);

#[derive(Clone, Debug)]
struct Name {
    address: Arc<str>,
    departed: Option<Departure>,
}

/// When and how a collector left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When it left the view.
    pub at: Timestamp,
    /// Whether it left without an announcement: its lease or session expired.
    pub expired: bool,
}

/// The collector that observed a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// `None` if the report does not name it.
    pub address: Option<Arc<str>>,
    /// `None` while it is a member.
    pub departed: Option<Departure>,
}

impl Names {
    /// The names that the events of earlier runs mention.
    pub(super) fn restored(feed: &Feed) -> Self {
        let names = Self::default();
        for recorded in feed.of_the_collector() {
            let Event::Collector(event) = &recorded.event else {
                continue;
            };
            match &**event {
                CollectorEvent::Started { member, .. }
                | CollectorEvent::MemberJoined { member } => {
                    names.set(member, None);
                }
                CollectorEvent::MemberLeft { member, expired } => {
                    let (at, expired) = (recorded.at, *expired);
                    names.set(member, Some(Departure { at, expired }));
                }
                _ => {}
            }
        }
        names
    }

    pub(super) fn set(&self, address: &Arc<str>, departed: Option<Departure>) {
        let mut names = self.0.lock();
        if names.len() >= NAMES {
            names.retain(|_, name| name.departed.is_none());
        }
        let address = Arc::clone(address);
        names.insert(Tag::of(&address), Name { address, departed });
    }

    /// The collector with this tag.
    pub(super) fn witness(&self, tag: Option<Tag>) -> Witness {
        let name = tag.and_then(|tag| self.0.lock().get(&tag).cloned());
        Witness {
            address: name.as_ref().map(|name| Arc::clone(&name.address)),
            departed: name.and_then(|name| name.departed),
        }
    }
}

/// The members of `view` that are not in `other`.
pub(super) fn missing_in<'a>(other: &'a View, view: &'a View) -> impl Iterator<Item = &'a Member> {
    let members = view.members().iter();
    members.filter(|member| {
        let mut others = other.members().iter();
        others.all(|other| other.address != member.address)
    })
}
