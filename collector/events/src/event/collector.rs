//! Events about collectors, and about many instances at once.

use std::sync::Arc;

use rollcall_domain::Timestamp;
use serde::{Deserialize, Serialize};

/// An event about collectors, or about many instances at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CollectorEvent {
    /// This collector started.
    Started {
        version: String,
        /// Its address among the members.
        member: Arc<str>,
    },
    /// This collector stopped as planned.
    Stopped {
        /// The first number of the next run.
        next: u64,
    },
    /// A collector became a member.
    MemberJoined { member: Arc<str> },
    /// A collector is no longer a member.
    MemberLeft {
        member: Arc<str>,
        /// Whether it left without an announcement: its lease or session expired.
        expired: bool,
    },
    /// The data of this collector began to differ from another collector's.
    Diverged { about: Shared },
    /// The data of this collector agrees with the other collectors' again.
    Agreed { about: Shared },
    /// The inventory has more or less free memory than before.
    Inventory { room: Room },
    /// This collector did not run for a while.
    Stalled { late_ms: u64 },
    /// An operator changed something.
    Operator {
        who: String,
        what: String,
        target: String,
    },
    /// Many instances fell silent within a short time.
    MassSilence(Mass),
    /// A peer caused so many changes that some were not recorded one by one.
    Flapping {
        /// Its address; `None` for several peers, or an unknown one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
        /// The kind of the changed instances: `agents` or `services`.
        lane: String,
        unrecorded: u64,
        /// The time of the first of them.
        #[serde(with = "millis")]
        since: Timestamp,
    },
    /// A kind of a later release.
    #[serde(other)]
    Unknown,
}

/// Many instances that fell silent within a short time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mass {
    /// How many instances fell silent.
    pub silent: u64,
    /// When the first of them did, in milliseconds since the Unix epoch.
    #[serde(with = "millis")]
    pub began_at: Timestamp,
    /// The time from the first to the last of them.
    pub within_ms: u64,
    /// Groups of which a large part fell silent.
    pub groups: Vec<MassGroup>,
    /// The groups that nearly all of them belong to.
    pub common: Vec<MassGroup>,
    /// Whether this collector may itself be the cause.
    pub suspects_itself: bool,
    /// The reasons for that suspicion.
    pub suspicions: Vec<String>,
}

/// A group of instances that fell silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MassGroup {
    /// `application`, `everything`, `host`, `peer` or `member`.
    pub what: String,
    pub name: String,
    /// How many of its instances fell silent.
    pub silent: u64,
    /// How many of its instances were up or silent; `None` if they are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// The free memory of the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// The inventory is well below its limit.
    Ample,
    /// The inventory is close to its limit.
    Low,
    /// New names are refused.
    Full,
}

/// The data on which collectors must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// The ids and their keys.
    Inventory,
    /// The instances and their states.
    Roster,
}

/// A time as a number of milliseconds.
mod millis {
    use rollcall_domain::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_millis)
    }
}
