//! Events of collectors, and of many instances at once, as sentences.

use std::{fmt::Write as _, time::Duration};

use rollcall_domain::Timestamp;
use rollcall_service::events::{CollectorEvent, Mass, MassGroup, Room, Shared};

use super::{plain, round, time};

/// The sentence of an event of the collector.
pub(in crate::view) fn collector(event: &CollectorEvent, own: &str) -> String {
    let about = |about: &Shared| match about {
        Shared::Inventory => "inventory",
        Shared::Roster => "roster",
    };
    let own = plain(own);
    match event {
        CollectorEvent::Started { version, member } => {
            format!(
                "Collector {} started, version {}.",
                plain(member),
                plain(version)
            )
        }
        CollectorEvent::Stopped { .. } => format!("Collector {own} stopped as planned."),
        CollectorEvent::MemberJoined { member } => {
            format!("Collector {} became a member.", plain(member))
        }
        CollectorEvent::MemberLeft { member, expired } => {
            let how = if *expired {
                "disappeared without an announcement: its lease expired"
            } else {
                "left"
            };
            format!("Collector {} {how}.", plain(member))
        }
        CollectorEvent::Diverged { about: it } => {
            format!("The {} of {own} differs from another member's.", about(it))
        }
        CollectorEvent::Agreed { about: it } => {
            format!(
                "The {} of {own} agrees with the other members' again.",
                about(it)
            )
        }
        CollectorEvent::Inventory { room } => match room {
            Room::Ample => "The inventory has free memory again.".to_owned(),
            Room::Low => "The free memory of the inventory is low.".to_owned(),
            Room::Full => "The inventory is full: new names are refused.".to_owned(),
        },
        CollectorEvent::Stalled { late_ms } => format!(
            "Collector {own} did not run for {}; every lease gets a full term.",
            round(Duration::from_millis(*late_ms))
        ),
        CollectorEvent::Operator { who, what, target } => {
            format!("{}: {} {}.", plain(who), plain(what), plain(target))
        }
        CollectorEvent::MassSilence(mass) => mass_silence(mass),
        CollectorEvent::Flapping {
            peer,
            lane,
            unrecorded,
            since,
        } => flapping(peer.as_deref(), lane, *unrecorded, *since),
        CollectorEvent::Unknown => "An event of a later release.".to_owned(),
    }
}

/// `The peer 10.0.0.9 changed instances so often that 120 changes since .. were not recorded one by one.`
fn flapping(peer: Option<&str>, lane: &str, unrecorded: u64, since: Timestamp) -> String {
    let peer = match peer {
        Some(peer) => format!("The peer {}", plain(peer)),
        None => "Other peers".to_owned(),
    };
    let what = match lane {
        "services" => "instances of Nacos services",
        _ => "instances",
    };
    let since = time(since);
    format!(
        "{peer} changed {what} so often that {unrecorded} changes since {since} were not recorded one by one \
         (timeline.default.per_peer)."
    )
}

/// `40 of 42 instances of orders, all last seen through member b, fell silent within 8s.`
fn mass_silence(mass: &Mass) -> String {
    let group = |group: &MassGroup| {
        let count = match group.of {
            Some(of) => format!("{} of {of}", group.silent),
            None => group.silent.to_string(),
        };
        match &*group.what {
            "everything" => format!("{count} instances of all applications"),
            _ => format!("{count} instances of {}", plain(&group.name)),
        }
    };
    let groups: Vec<_> = mass.groups.iter().map(group).collect();
    let mut text = if groups.is_empty() {
        format!("{} instances", mass.silent)
    } else {
        groups.join(" and ")
    };
    for common in &mass.common {
        let all = if common.silent == mass.silent {
            "all".to_owned()
        } else {
            common.silent.to_string()
        };
        let name = plain(&common.name);
        // Writing to a string does not fail.
        let _written = match &*common.what {
            "application" => write!(text, ", {all} of {name}"),
            "host" => write!(text, ", {all} on host {name}"),
            "peer" => write!(text, ", {all} connected from {name}"),
            "member" => write!(text, ", {all} last seen through member {name}"),
            other => write!(text, ", {all} of {} {name}", plain(other)),
        };
    }
    let has_common = if mass.common.is_empty() { "" } else { "," };
    let within = round(Duration::from_millis(mass.within_ms));
    text = format!("{text}{has_common} fell silent within {within}.");
    if mass.suspects_itself {
        let _written = write!(
            text,
            " This collector may be the cause: {}.",
            mass.suspicions.join("; ")
        );
    }
    text
}
