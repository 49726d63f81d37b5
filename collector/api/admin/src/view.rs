//! The JSON of the query API: domain values, and the explanation of a state.

use std::{sync::Arc, time::Duration};

use rollcall_domain::properties;
use rollcall_domain::{
    ApplicationId, Timestamp,
    inventory::{Generation, Properties},
    liveness::{Signal, State, Tally},
    membership,
};
use rollcall_service::roster::{ApplicationStatus, InstanceStatus, Members, Roster};
use serde::{Serialize, Serializer, ser::SerializeMap};

mod event;
mod why;
mod words;

pub(super) use event::Event;
use why::Why;

/// An application.
#[derive(Debug, Serialize)]
pub(super) struct Application<'a> {
    /// 0 for the entry of all instances whose application was never reported.
    id: i32,
    /// `null` if the id was adopted and no agent has reported the code.
    code: Option<&'a str>,
    /// The display name: its code, or `unknown (-3)`; `unknown` for id 0.
    label: String,
    /// Whether the id came from an agent, directly or with its instance's id, and no agent has reported the code.
    adopted: bool,
    registered_at: String,
    instances: Counts,
}

/// Instances by state.
#[derive(Debug, Serialize)]
pub(super) struct Counts {
    pub(super) up: usize,
    pub(super) silent: usize,
    pub(super) down: usize,
    pub(super) left: usize,
}

/// An instance.
#[derive(Debug, Serialize)]
pub(super) struct Instance<'a> {
    id: i32,
    /// `null` if no agent reported it.
    application_id: Option<i32>,
    /// The code of the application; `null` if no agent reported it.
    application: Option<Arc<str>>,
    /// `null` if no agent reported it.
    uuid: Option<&'a str>,
    /// The display name: its UUID, without the prefix `NAME:` that marks a name in 6.x and 7.0. `null` without a UUID.
    name: Option<&'a str>,
    state: &'static str,
    /// The time of the change to this state.
    since: String,
    why: Why,
    /// Whether the instance keeps an id that its agent brought and that this inventory had not assigned.
    adopted: bool,
    registered_at: String,
    last_seen_at: String,
    /// `3.x`, `5.x`, `6.x` (to 7.0) or `8.x` (and later); `null` if its calls do not show it.
    generation: Option<&'static str>,
    /// In the agent's spelling; `null` if not reported, as before 6.x.
    language: Option<&'a str>,
    /// `null` if not reported.
    agent_version: Option<&'a str>,
    properties: PropertiesObject<'a>,
}

/// The properties that an agent reported, as an object. A name that it reported several times has an array of the values.
#[derive(Debug)]
struct PropertiesObject<'a>(&'a Properties);

/// A collector.
#[derive(Debug, Serialize)]
pub(super) struct Member<'a> {
    /// The address for other collectors, which also identifies the member.
    pub(super) address: &'a str,
    state: &'static str,
    since: String,
    /// `null` for a collector of upstream.
    version: Option<&'a str>,
    /// Whether it is the answering collector.
    #[serde(rename = "self")]
    is_self: bool,
    /// Whether it is the owner, which commits new registrations first.
    owner: bool,
    agent_grpc: Option<&'a str>,
    agent_jetty: Option<&'a str>,
    ui: Option<&'a str>,
}

// === impl Application ===

impl<'a> Application<'a> {
    pub(super) fn of(status: &'a ApplicationStatus) -> Self {
        let application = status.application.as_ref();
        let Tally {
            up,
            silent,
            down,
            left,
        } = status.instances;
        let code = application.and_then(|row| row.code.as_deref());
        let id = application.map_or(0, |row| row.id.get());
        let label = match (code, id) {
            (Some(code), _) => code.to_owned(),
            (None, 0) => "unknown".to_owned(),
            (None, id) => format!("unknown ({id})"),
        };
        Self {
            id,
            code,
            label,
            adopted: code.is_none(),
            registered_at: time(status.registered_at),
            instances: Counts {
                up,
                silent,
                down,
                left,
            },
        }
    }
}

// === impl Instance ===

impl<'a> Instance<'a> {
    pub(super) fn of(roster: &Roster, status: &'a InstanceStatus) -> Self {
        let instance = &status.instance;
        Self {
            id: instance.id.get(),
            application: instance.application.and_then(|id| roster.code(id)),
            application_id: instance.application.map(ApplicationId::get),
            uuid: instance.uuid.as_deref(),
            name: instance.uuid.as_deref().map(properties::instance_name),
            state: state(status.state),
            since: time(status.since),
            why: Why::of(status),
            adopted: instance.adopted,
            registered_at: time(instance.registered_at),
            last_seen_at: time(status.last_seen),
            generation: instance.generation.map(protocol),
            language: instance.properties.get(properties::LANGUAGE),
            agent_version: properties::agent_version(&instance.properties),
            properties: PropertiesObject(&instance.properties),
        }
    }
}

impl Instance<'_> {
    /// The explanation of its state.
    pub(super) fn why(&self) -> &str {
        &self.why.sentence
    }
}

// === impl PropertiesObject ===

impl Serialize for PropertiesObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            if self.0.iter().take(at).any(|(before, _)| before == name) {
                continue;
            }
            let values = || self.0.iter().filter(|(n, _)| *n == name).map(|(_, v)| v);
            match values().count() {
                1 => object.serialize_entry(name, value)?,
                _ => object.serialize_entry(name, &values().collect::<Vec<_>>())?,
            }
        }
        object.end()
    }
}

// === impl Member ===

impl<'a> Member<'a> {
    pub(super) fn of(member: &'a membership::Member, members: &Members) -> Self {
        Self {
            is_self: member.address == members.own,
            owner: members.view.owner() == Some(member),
            address: &member.address,
            state: match member.state {
                membership::State::Starting => "starting",
                membership::State::Serving => "serving",
                membership::State::Draining => "draining",
            },
            since: time(member.since),
            version: member.version.as_deref(),
            agent_grpc: member.agent_grpc.as_deref(),
            agent_jetty: member.agent_jetty.as_deref(),
            ui: member.ui.as_deref(),
        }
    }
}

/// The word for a state of an instance.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Silent => "silent",
        State::Down => "down",
        State::Left => "left",
    }
}

/// The generation of an agent by its protocol.
const fn protocol(generation: Generation) -> &'static str {
    match generation {
        Generation::V3 => "3.x",
        Generation::V5 => "5.x",
        Generation::V6 => "6.x",
        Generation::V8 => "8.x",
        Generation::Other(_) => "unknown",
    }
}

/// The word for a sign of life.
pub(super) fn signal(signal: Signal) -> &'static str {
    match signal {
        Signal::Register => "register",
        Signal::Recover => "recover",
        Signal::Heartbeat => "heartbeat",
        Signal::JvmMetrics => "jvm_metrics",
        Signal::TraceSegment => "trace_segment",
        Signal::Telemetry => "telemetry",
        Signal::Poll => "poll",
        Signal::Leave => "leave",
        Signal::Other(_) => "unknown",
    }
}

/// RFC 3339, UTC, with milliseconds; a time outside the format's range becomes its first or last time.
pub(super) fn time(timestamp: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(timestamp.millis()).unwrap_or({
        if timestamp.millis() < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        }
    });
    format!("{time:.3}")
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc_with_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_525_132_800_120, "2018-05-01T00:00:00.120Z"),
            (i64::MIN, "-009999-01-02T01:59:59.000Z"),
        ] {
            assert_eq!(time(Timestamp::from_millis(millis)), text);
        }
        assert!(time(Timestamp::from_millis(i64::MAX)).starts_with("9999-12-3"));
    }

    #[test]
    fn a_property_reported_twice_is_an_array_in_the_place_of_the_first() {
        let properties: Properties = [
            ("ipv4", "10.0.0.1"),
            ("os_name", "<script>\""),
            ("ipv4", "10.0.0.2"),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            serde_json::to_string(&PropertiesObject(&properties)).unwrap(),
            r#"{"ipv4":["10.0.0.1","10.0.0.2"],"os_name":"<script>\""}"#,
        );
    }
}
