//! The JSON of an event: the same in the feed and in a timeline.

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    liveness::{Observer, State},
    properties,
};
use rollcall_service::{
    events::{
        Changed, CollectorEvent, Connection, Contact, Event as Happened, InstanceEvent,
        InstanceKind, Mass, Recorded, ServiceEvent,
    },
    roster::Roster,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{millis, protocol, signal, state, time, words};

/// An event.
#[derive(Debug, Serialize)]
pub(crate) struct Event {
    number: u64,
    time: String,
    kind: String,
    subject: Value,
    /// The event as a sentence.
    text: String,
    evidence: Value,
}

/// Evidence, without the values that are unknown.
#[derive(Default)]
struct Evidence(Map<String, Value>);

impl Evidence {
    fn add(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.0.insert(name.to_owned(), value);
        }
    }

    fn contact(&mut self, contact: Contact) {
        self.add("peer", contact.peer.map(|peer| peer.to_string()));
        self.add("protocol", contact.generation.map(protocol));
        self.add("clock_skew_ms", contact.clock_skew);
    }
}

impl Event {
    pub(crate) fn of(recorded: &Recorded, roster: &Roster) -> Self {
        let at = recorded.at;
        let mut evidence = Evidence::default();
        let (kind, subject, text) = match &recorded.event {
            Happened::Instance(event) => {
                let peer = roster.peer_before(event.instance, recorded.number);
                let names = Names::of(roster, event.instance);
                let kind = instance(event, at, peer.as_deref(), roster, &mut evidence);
                let text = words::instance(&names.label(), at, event, peer.as_deref(), roster);
                (kind.to_owned(), names.subject(event.instance), text)
            }
            Happened::Service(event) => {
                service(event, &mut evidence);
                let kind = event.kind.clone().into_owned();
                (kind, place(event), words::service(event))
            }
            Happened::Collector(event) => {
                let own = roster.members().own;
                let kind = collector(event, &mut evidence);
                let subject = json!({"type": "collector", "member": &*own});
                (kind, subject, words::collector(event, &own))
            }
        };
        Self {
            number: recorded.number,
            time: time(at),
            kind,
            subject,
            text,
            evidence: Value::Object(evidence.0),
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The names of an instance.
pub(crate) struct Names {
    application_id: Option<ApplicationId>,
    application: Option<String>,
    name: Option<String>,
    host: Option<String>,
    id: InstanceId,
}

impl Names {
    pub(crate) fn of(roster: &Roster, id: InstanceId) -> Self {
        let names = roster.names(id);
        let name = names.uuid.as_deref().map(properties::instance_name);
        Self {
            application_id: names.application,
            application: names.code.map(|code| code.to_string()),
            name: name.map(str::to_owned),
            host: names.host,
            id,
        }
    }

    /// The names for a sentence, on one line.
    pub(crate) fn label(&self) -> String {
        let application = self
            .application
            .as_deref()
            .unwrap_or("an unknown application");
        let application = words::plain(application);
        match &self.name {
            Some(name) => format!("{application} {}", words::plain(name)),
            None => format!("{application} instance {}", self.id),
        }
    }

    fn subject(self, id: InstanceId) -> Value {
        json!({
            "type": "instance",
            "id": id.get(),
            "application_id": self.application_id.map(ApplicationId::get),
            "application": self.application,
            "name": self.name,
            "host": self.host,
        })
    }
}

fn instance(
    event: &InstanceEvent,
    at: Timestamp,
    peer: Option<&str>,
    roster: &Roster,
    evidence: &mut Evidence,
) -> &'static str {
    let mut contact = |contact: &Contact, kind: &'static str| {
        evidence.contact(*contact);
        kind
    };
    match &event.kind {
        InstanceKind::Registered(it) => contact(it, "registered"),
        InstanceKind::Adopted(it) => contact(it, "adopted"),
        InstanceKind::Recovered(it) => contact(it, "recovered"),
        InstanceKind::Reconnected(it) => contact(it, "reconnected"),
        InstanceKind::Stray(it) => contact(it, "stray"),
        InstanceKind::ClockDiffers(it) => contact(it, "clock_differs"),
        InstanceKind::ConnectionClosed { peer, cause } => {
            evidence.add("peer", peer.map(|peer| peer.to_string()));
            evidence.add("cause", words::cause(*cause));
            "connection_closed"
        }
        InstanceKind::StateChanged(changed) => {
            self::changed(changed, at, peer, roster, evidence);
            match changed.to {
                State::Up => "back",
                State::Silent => "silent",
                State::Down => "down",
                State::Left => "left",
            }
        }
        InstanceKind::Moved { from, to, peer } => {
            evidence.add("from_member", member(*from, roster));
            evidence.add("to_member", member(*to, roster));
            evidence.add("peer", peer.map(|peer| peer.to_string()));
            "moved"
        }
        InstanceKind::Flapping { unrecorded, since } => {
            evidence.add("unrecorded", *unrecorded);
            evidence.add("since", time(*since));
            "flapping"
        }
    }
}

fn changed(
    changed: &Changed,
    at: Timestamp,
    peer: Option<&str>,
    roster: &Roster,
    evidence: &mut Evidence,
) {
    let is_silence = matches!(changed.to, State::Silent | State::Down);
    evidence.add("from", state(changed.from));
    evidence.add("from_since", time(changed.since));
    evidence.add("last_signal", signal(changed.signal));
    evidence.add("last_seen_at", time(changed.last_seen));
    evidence.add("observed_by", member(changed.observer, roster));
    let own = roster.members().own;
    let decided_by = (!changed.is_reported).then(|| own.to_string());
    evidence.add("decided_by", decided_by);
    if !is_silence {
        if matches!(changed.observer, Observer::Here) {
            evidence.add("peer", peer);
        }
        return;
    }
    evidence.add(
        "missed",
        words::expected(at.since(changed.last_seen), changed.usual),
    );
    evidence.add("interval_ms", words::interval(changed.usual).map(millis));
    evidence.add("after_ms", millis(changed.term));
    let mut connection = Evidence::default();
    match changed.connection {
        Connection::Unknown => connection.add("state", "unknown"),
        Connection::Open => connection.add("state", "open"),
        Connection::Closed { at, cause } => {
            connection.add("state", "closed");
            connection.add("closed_at", time(at));
            connection.add("cause", words::cause(cause));
        }
    }
    connection.add("peer", peer);
    evidence.add("connection", Value::Object(connection.0));
}

/// The address of a member, as far as it is known.
fn member(observer: Observer, roster: &Roster) -> Option<String> {
    match roster.witness(observer) {
        None => Some(roster.members().own.to_string()),
        Some(witness) => witness.address.map(|address| address.to_string()),
    }
}

fn place(event: &ServiceEvent) -> Value {
    let (service, endpoint) = (&event.instance.service, &event.instance.endpoint);
    json!({
        "type": "service_instance",
        "namespace": service.namespace(),
        "group": service.group(),
        "service": service.name(),
        "cluster": &*endpoint.cluster,
        "ip": &*endpoint.ip,
        "port": endpoint.port,
        "ephemeral": event.is_ephemeral,
    })
}

fn service(event: &ServiceEvent, evidence: &mut Evidence) {
    evidence.add("publisher", &*event.publisher);
    evidence.add("peer", event.peer.as_deref());
    evidence.add("client", event.client.as_deref());
    evidence.add("connection_end", event.connection_end.as_deref());
    evidence.add("by", event.by.as_deref());
    evidence.add("detail", event.detail.as_deref());
    if event.unrecorded > 0 {
        evidence.add("unrecorded", event.unrecorded);
    }
}

fn collector(event: &CollectorEvent, evidence: &mut Evidence) -> String {
    match serde_json::to_value(event) {
        Ok(Value::Object(mut fields)) => {
            let kind = fields.remove("kind");
            evidence.0 = fields;
            if let CollectorEvent::MassSilence(Mass { began_at, .. }) = event {
                evidence.add("began_at", time(*began_at));
            }
            if let CollectorEvent::Flapping { since, .. } = event {
                evidence.add("since", time(*since));
            }
            if let CollectorEvent::MemberLeft { expired, .. } = event {
                evidence.0.remove("expired");
                evidence.add("how", if *expired { "expired" } else { "left" });
            }
            kind.and_then(|kind| kind.as_str().map(str::to_owned))
                .unwrap_or_default()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rollcall_domain::liveness::Signal;
    use rollcall_service::testing::Fixture;

    use super::*;

    /// A sweep comes after the term is over, so the silence is longer than the term.
    #[test]
    fn the_evidence_and_the_text_have_the_same_number_of_missed_signals() {
        let fixture = Fixture::start();
        let changed = Changed {
            from: State::Up,
            to: State::Silent,
            since: Timestamp::from_millis(0),
            last_seen: Timestamp::from_millis(1_000),
            signal: Signal::Heartbeat,
            usual: Duration::from_secs(1),
            term: Duration::from_millis(10_500),
            connection: Connection::Unknown,
            observer: Observer::Here,
            is_reported: false,
        };
        let recorded = Recorded {
            number: 1,
            at: Timestamp::from_millis(12_200),
            event: Happened::Instance(InstanceEvent {
                instance: InstanceId::new(1).unwrap(),
                kind: InstanceKind::StateChanged(changed),
            }),
        };
        let event = Event::of(&recorded, &fixture.services.roster);
        assert_eq!(event.evidence["missed"], 11);
        assert!(
            event.text.contains("; 11 signals, expected"),
            "{}",
            event.text
        );
    }
}
