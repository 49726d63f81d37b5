//! The names of instances and collectors, for events.

use std::sync::Arc;

use rollcall_domain::{ApplicationId, InstanceId, liveness::Observer, properties};

use super::Roster;
use crate::{Witness, events::InstanceEvent};

/// The names of an instance.
#[derive(Clone, Debug, Default)]
pub struct InstanceNames {
    /// The id of its application; `None` if it was never reported.
    pub application: Option<ApplicationId>,
    /// The code of its application; `None` if it is unknown.
    pub code: Option<Arc<str>>,
    /// Its UUID, or its name with an agent of 8.0 and later; `None` if it is unknown.
    pub uuid: Option<Arc<str>>,
    /// The host of its process; `None` if the agent did not report one.
    pub host: Option<String>,
}

impl Roster {
    /// The collector that observed a signal; `None` if this collector observed it since it started.
    #[must_use]
    pub fn witness(&self, observer: Observer) -> Option<Witness> {
        match observer {
            Observer::Here => None,
            Observer::Elsewhere(member) => Some(self.core.names.witness(member)),
        }
    }

    /// The peer address in the newest event of an instance before the event with this number; `None` if there is none.
    #[must_use]
    pub fn peer_before(&self, id: InstanceId, number: u64) -> Option<String> {
        let feed = self.core.events.feed();
        let peer = feed.last(id, number, InstanceEvent::peer)?;
        Some(peer.to_string())
    }

    /// The application of an instance, its UUID, and its host.
    #[must_use]
    pub fn names(&self, id: InstanceId) -> InstanceNames {
        let inventory = &self.core.inventory;
        let names = inventory.read_instance(id, |known| InstanceNames {
            application: known.application,
            code: None,
            uuid: known.uuid.map(Into::into),
            host: properties::host(known.properties).map(str::to_owned),
        });
        let mut names = names.unwrap_or_default();
        let row = names.application.map(|id| inventory.canonical(id));
        names.code = row.and_then(|row| inventory.application(row)?.code);
        names.application = row.map(|row| inventory.shown(row));
        names
    }
}
