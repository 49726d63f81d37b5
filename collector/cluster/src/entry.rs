//! The entry that a collector publishes to the other members: JSON, the same in etcd and in ZooKeeper. A reader ignores fields
//! of a later version.

use std::{borrow::Cow, sync::Arc};

use rollcall_domain::{
    Timestamp,
    membership::{Member, State},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    address: Cow<'a, str>,
    agent_grpc: Option<Cow<'a, str>>,
    agent_jetty: Option<Cow<'a, str>>,
    ui: Option<Cow<'a, str>>,
    version: Cow<'a, str>,
    state: WireState,
    since_ms: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireState {
    Serving,
    Draining,
    /// Also stands for any state that a later version adds. This version forwards nothing to such a member.
    #[serde(other)]
    Starting,
}

/// The entry of a member.
pub(super) fn encode(member: &Member) -> Vec<u8> {
    let optional = |text: &Option<Arc<str>>| text.as_ref().map(|text| text.to_string().into());
    let entry = Entry {
        address: (&*member.address).into(),
        agent_grpc: optional(&member.agent_grpc),
        agent_jetty: optional(&member.agent_jetty),
        ui: optional(&member.ui),
        version: member.version.as_deref().unwrap_or_default().into(),
        state: match member.state {
            State::Starting => WireState::Starting,
            State::Serving => WireState::Serving,
            State::Draining => WireState::Draining,
        },
        since_ms: member.since.millis(),
    };
    serde_json::to_vec(&entry).unwrap_or_default() // texts and a number, which JSON always holds
}

/// The member that an entry describes.
///
/// # Errors
/// The bytes are not an entry of a collector.
pub(super) fn decode(entry: &[u8]) -> Result<Member, serde_json::Error> {
    let entry: Entry<'_> = serde_json::from_slice(entry)?;
    let optional = |text: Option<Cow<'_, str>>| text.map(|text| text.into());
    Ok(Member {
        address: entry.address.into(),
        agent_grpc: optional(entry.agent_grpc),
        agent_jetty: optional(entry.agent_jetty),
        ui: optional(entry.ui),
        version: Some(entry.version.into()),
        state: match entry.state {
            WireState::Serving => State::Serving,
            WireState::Draining => State::Draining,
            WireState::Starting => State::Starting,
        },
        since: Timestamp::from_millis(entry.since_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::member;

    #[test]
    fn an_entry_is_this_json_for_ever() {
        let json = r#"{"address":"a:11800","agent_grpc":"a:11800","agent_jetty":"a:12800/","ui":null,"version":"0.1.0","state":"serving","since_ms":7}"#;
        let member = Member {
            ui: None,
            since: Timestamp::from_millis(7),
            ..member("a")
        };
        assert_eq!(encode(&member), json.as_bytes());
        assert_eq!(decode(json.as_bytes()).unwrap(), member);
    }

    #[test]
    fn fields_of_a_later_version_are_ignored() {
        let json =
            r#"{"address":"\u0061","version":"9","state":"resting","since_ms":0,"load":{"x":1}}"#;
        let member = decode(json.as_bytes()).unwrap();
        assert_eq!((&*member.address, member.state), ("a", State::Starting));
    }

    #[test]
    fn bytes_that_no_collector_wrote_are_refused() {
        for json in ["", "{}", "[]", r#"{"address":1}"#, "\u{0}"] {
            assert!(decode(json.as_bytes()).is_err(), "{json}");
        }
    }
}
