//! The form of what collectors publish. Fields are added, never renamed; readers ignore unknown fields and unknown entries.
//!
//! | Key | Value |
//! |---|---|
//! | `i/<instance>` | JSON: what the member claims of an instance |
//! | `b/<number>` | JSON: instances of other members whose beats the member received lately, as `{"<service>": ["<ip> <port> <cluster>"]}` |

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use rollcall_domain::catalog::{
    Claim, ClaimState, DEFAULT_CLUSTER, Endpoint, Kind, Place, ServiceKey, Stamp,
};
use serde::{Deserialize, Serialize};

use crate::rows::{self, InstanceRow};

/// The most bytes of instances in one entry of beats.
const BEATS: usize = 512 * 1024;
/// The longest time for which the deregistration of another member holds beats off. A longer one is cut to this.
const LONGEST_TERM: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Debug, Deserialize, Serialize)]
struct ClaimRow {
    at: u64,
    /// The claims of other members that this one replaces, by the name of the member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    replaces: BTreeMap<Arc<str>, u64>,
    /// Whether beats keep the instance alive.
    #[serde(default, skip_serializing_if = "is_false")]
    beats: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<InstanceRow>,
    /// It was deregistered, and no beat brings it back for this many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
}

/// What a key stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Key {
    Instance(Place),
    Beats,
}

/// Instances of other members whose beats this member received.
pub(super) type ReceivedBeats = BTreeMap<ServiceKey, BTreeSet<Endpoint>>;

const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The meaning of a key; `None` if this release does not know it.
pub(super) fn key(text: &str) -> Option<Key> {
    let (kind, rest) = text.split_once('/')?;
    match kind {
        "i" => rows::place_of(rest).map(Key::Instance),
        "b" => Some(Key::Beats),
        _ => None,
    }
}

pub(super) fn instance_key((service, endpoint): &Place) -> String {
    format!("i/{}", rows::instance_text(service, endpoint))
}

pub(super) fn write(claim: &Claim) -> Option<Vec<u8>> {
    let replaced = claim.replaces.iter();
    let replaced = replaced.map(|(member, at)| (Arc::clone(member), at.number()));
    let mut row = ClaimRow {
        at: claim.at.number(),
        replaces: replaced.collect(),
        beats: false,
        instance: None,
        removed: None,
    };
    match &claim.state {
        ClaimState::Registered {
            registration,
            needs_beats,
        } => {
            row.beats = *needs_beats;
            row.instance = Some(InstanceRow::of(registration));
        }
        ClaimState::Deregistered { term } => {
            row.removed = Some(u64::try_from(term.as_millis()).unwrap_or(u64::MAX));
        }
    }
    serde_json::to_vec(&row).ok()
}

/// The claim in a value; `None` if it is unreadable.
pub(super) fn read(place: &Place, value: &[u8]) -> Option<Claim> {
    let row: ClaimRow = serde_json::from_slice(value).ok()?;
    let state = match (row.instance, row.removed) {
        (Some(instance), None) => ClaimState::Registered {
            registration: instance.registration(place.1.clone(), Kind::Ephemeral),
            needs_beats: row.beats,
        },
        (None, Some(millis)) => ClaimState::Deregistered {
            term: Duration::from_millis(millis).min(LONGEST_TERM),
        },
        _ => return None,
    };
    let replaced = row.replaces.into_iter();
    let replaced = replaced.map(|(member, at)| (member, Stamp::from_number(at)));
    Some(Claim {
        at: Stamp::from_number(row.at),
        replaces: replaced.collect(),
        state,
    })
}

/// The entries that name these instances.
pub(super) fn write_beats(beaten: ReceivedBeats) -> Vec<(String, Option<Vec<u8>>)> {
    let mut parts: Vec<BTreeMap<String, Vec<String>>> = vec![BTreeMap::new()];
    let mut bytes = 0;
    for (service, endpoints) in beaten {
        let service = rows::service_text(&service);
        for endpoint in endpoints {
            let text = endpoint_text(&endpoint);
            if bytes > BEATS {
                parts.push(BTreeMap::new());
                bytes = 0;
            }
            bytes += text.len() + 4;
            let Some(part) = parts.last_mut() else {
                continue;
            };
            if let Some(listed) = part.get_mut(&service) {
                listed.push(text);
            } else {
                bytes += service.len();
                part.insert(service.clone(), vec![text]);
            }
        }
    }
    let parts = parts.iter().filter(|part| !part.is_empty()).enumerate();
    let entries = parts.filter_map(|(number, part)| {
        let value = serde_json::to_vec(part).ok()?;
        Some((format!("b/{number}"), Some(value)))
    });
    entries.collect()
}

/// The instances that an entry of beats names; `None` if it is unreadable.
pub(super) fn read_beats(value: &[u8]) -> Option<Vec<Place>> {
    let parts: BTreeMap<String, Vec<String>> = serde_json::from_slice(value).ok()?;
    let mut places = Vec::new();
    for (service, endpoints) in parts {
        let service = rows::service_of(&service)?;
        for endpoint in endpoints {
            places.push((service.clone(), endpoint_of(&endpoint)?));
        }
    }
    Some(places)
}

/// An endpoint as text; no part of it contains a space.
fn endpoint_text(endpoint: &Endpoint) -> String {
    let Endpoint { ip, port, cluster } = endpoint;
    if &**cluster == DEFAULT_CLUSTER {
        format!("{ip} {port}")
    } else {
        format!("{ip} {port} {cluster}")
    }
}

fn endpoint_of(text: &str) -> Option<Endpoint> {
    let mut parts = text.split(' ');
    let (ip, port) = (parts.next()?, parts.next()?);
    let cluster = parts.next().unwrap_or_default();
    Endpoint::new(ip, port.parse().ok()?, cluster).ok()
}

#[cfg(test)]
mod tests {
    use rollcall_domain::catalog::Registration;

    use super::*;

    fn place(cluster: &str) -> Place {
        let service = ServiceKey::new("team", "g", "a/b").unwrap();
        (service, Endpoint::new("fe80::1", 80, cluster).unwrap())
    }

    #[test]
    fn a_claim_is_read_as_it_was_written() {
        let place = place("c");
        assert_eq!(
            key(&instance_key(&place)),
            Some(Key::Instance(place.clone()))
        );
        let registration = Registration::new(place.1.clone(), Kind::Ephemeral);
        let registered = ClaimState::Registered {
            registration,
            needs_beats: true,
        };
        let term = Duration::from_secs(15);
        for state in [registered, ClaimState::Deregistered { term }] {
            let claim = Claim {
                at: Stamp::from_number(u64::MAX),
                replaces: vec![("m".into(), Stamp::from_number(7))],
                state,
            };
            assert_eq!(read(&place, &write(&claim).unwrap()), Some(claim));
        }
    }

    #[test]
    fn fields_of_later_releases_are_ignored_and_unreadable_values_are_none() {
        let place = place("");
        let later = br#"{"at":1,"new":{"a":[1]},"instance":{"weight":1.0,"enabled":true,"healthy":true,"new":2}}"#;
        assert!(read(&place, later).is_some());
        for value in [
            &b"{"[..],
            b"{\"at\":1}",
            b"{\"at\":-1,\"removed\":1}",
            b"\xff",
            b"",
        ] {
            assert_eq!(read(&place, value), None);
        }
        assert_eq!(key("z/1"), None);
        assert_eq!(key("i/a"), None);
        assert_eq!(read_beats(b"{\"a\":1}"), None);
    }

    #[test]
    fn many_beats_take_several_entries() {
        let service = ServiceKey::new("", "", "s").unwrap();
        let endpoints = (0..60_000_u32).map(|i| {
            let cluster = if i % 2 == 0 { "" } else { "c" };
            let ip = format!("10.{}.{}.{}", i >> 16, (i >> 8) & 255, i & 255);
            Endpoint::new(&ip, 80, cluster).unwrap()
        });
        let beaten = ReceivedBeats::from([(service.clone(), endpoints.collect())]);
        let entries = write_beats(beaten.clone());
        assert!(entries.len() > 1);
        let mut places = Vec::new();
        for (key, value) in entries {
            assert!(key.starts_with("b/"));
            let value = value.unwrap();
            assert!(value.len() < 1024 * 1024);
            places.extend(read_beats(&value).unwrap());
        }
        let expected: Vec<_> = beaten[&service]
            .iter()
            .map(|it| (service.clone(), it.clone()))
            .collect();
        assert_eq!(places, expected);
        assert!(write_beats(ReceivedBeats::new()).is_empty());
    }
}
