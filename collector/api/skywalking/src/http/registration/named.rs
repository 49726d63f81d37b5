//! The calls of agents of 8.0 and later, which identify instances by names alone (proto/docs/skywalking.md sections 6.2 and
//! 6.3). Bodies are the JSON form of the protobuf messages. Unneeded keys are skipped, and so is a property without a key (early
//! Python agents write `{"language": "Python"}`).

use std::{collections::HashMap, fmt, marker::PhantomData, sync::Arc};

use axum::{
    extract::{Request, State},
    http::header::ORIGIN,
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use prometheus_client::metrics::counter::Counter;
use rollcall_domain::liveness::Signal;
use rollcall_domain::properties;
use rollcall_metrics::Outcome;
use rollcall_server::face::{Refusal, json::Object, reply};
use rollcall_service::register::{Error, InstanceName, SERVICE};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Face, Handled, Input, Routes};
use crate::{event::Announcement, http::refuse::refuse};

/// Adds the calls of this generation. Telemetry renews the lease of the instance that it names and is dropped. Browser reports
/// name no instance and are only dropped.
pub(super) fn add(routes: Routes<'_>) -> Routes<'_> {
    let metrics = routes.face.services.metrics.clone();
    let mut routes = routes
        .post("/v3/management/reportProperties", Face::report)
        .post("/v3/management/keepAlive", Face::keep_alive);
    for (call, payload) in TELEMETRY {
        let dropped = metrics.dropped(payload.label());
        let take = move |face: Arc<Face>, input: Input| async move {
            let count = face.take(*payload, &input).await?;
            dropped.inc_by(count);
            Ok((Outcome::Ok, reply(&Commands {})))
        };
        routes = if *payload == Payload::Segments {
            let reports = metrics.dropped(Payload::BrowserReports.label());
            let layer = from_fn_with_state(reports, drop_of_browsers);
            routes.post_layered(call, take, |method| method.layer(layer))
        } else {
            routes.post(call, take)
        };
    }
    routes
}

/// Drops segments of web pages unread, because their instance is the page's version and not a process. A request with an `Origin`
/// header comes from a browser.
async fn drop_of_browsers(
    State(reports): State<Counter>,
    request: Request,
    next: Next,
) -> Response {
    if request.headers().contains_key(ORIGIN) {
        reports.inc();
        return reply(&Commands {});
    }
    next.run(request).await
}

const TELEMETRY: &[(&str, Payload)] = &[
    ("/v3/segment", Payload::Segments),
    ("/v3/segments", Payload::Segments),
    ("/v3/logs", Payload::Logs),
    ("/v3/events", Payload::Events),
    ("/browser/perfData", Payload::BrowserReports),
    ("/browser/perfData/webVitals", Payload::BrowserReports),
    ("/browser/perfData/resources", Payload::BrowserReports),
    ("/browser/perfData/webInteractions", Payload::BrowserReports),
    ("/browser/errorLog", Payload::BrowserReports),
    ("/browser/errorLogs", Payload::BrowserReports),
];

/// The content of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payload {
    Segments,
    Logs,
    Events,
    BrowserReports,
}

/// The body of `/v3/management/reportProperties`. The body of the keep-alive has some of the same keys.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    #[serde(default, deserialize_with = "null_or")]
    service: String,
    #[serde(default, deserialize_with = "null_or")]
    service_instance: String,
    #[serde(default, deserialize_with = "null_or")]
    properties: Vec<Object<Property>>,
}

#[derive(Debug, Deserialize)]
struct Property {
    #[serde(default, deserialize_with = "null_or")]
    key: String,
    #[serde(default, deserialize_with = "null_or")]
    value: String,
}

/// An event, with its sender one level down.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(deserialize_with = "null_or")]
    name: String,
    source: Option<Object<Sender>>,
}

/// The sender of a telemetry element.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sender {
    #[serde(deserialize_with = "null_or")]
    service: String,
    #[serde(deserialize_with = "null_or")]
    service_instance: String,
}

/// One element, or an array of elements.
#[derive(Debug)]
struct OneOrMore<T>(Vec<T>);

/// An empty list of commands.
#[derive(Debug, Serialize)]
struct Commands {}

// === impl Face ===

impl Face {
    async fn report(self: Arc<Self>, input: Input) -> Handled {
        let Object(reported): Object<Instance> = input.parse().await?;
        let pairs = reported.properties.iter();
        let pairs = pairs.map(|Object(pair)| (pair.key.as_str(), pair.value.as_str()));
        let properties = properties::reported(pairs, None);
        let registered = input.register.named(reported.name(), properties);
        answer(registered.await)
    }

    async fn keep_alive(self: Arc<Self>, input: Input) -> Handled {
        let Object(reported): Object<Instance> = input.parse().await?;
        let heartbeat = &input.heartbeat;
        let renewed = heartbeat.renew_named(reported.name(), Signal::Heartbeat);
        answer(renewed.await)
    }

    /// Processes a body and returns the number of its elements.
    async fn take(&self, payload: Payload, input: &Input) -> Result<u64, Refusal> {
        let elements = match payload {
            Payload::BrowserReports => 1,
            Payload::Events => {
                let OneOrMore(events): OneOrMore<Event> = input.parse().await?;
                announce(input, &events).await;
                events.len()
            }
            Payload::Segments | Payload::Logs => {
                let OneOrMore(senders): OneOrMore<Sender> = input.parse().await?;
                let names = senders.iter().map(Sender::name).collect();
                renew(input, names, payload).await;
                senders.len()
            }
        };
        Ok(u64::try_from(elements).unwrap_or(u64::MAX))
    }
}

/// Renews the lease of every instance that announces its start, and ends the lease of every instance that announces its stop.
async fn announce(input: &Input, events: &[Event]) {
    // The last announcement of an instance counts.
    let last: HashMap<_, _> = events.iter().filter_map(Event::announcement).collect();
    let those = |wanted| {
        let those = last.iter().filter(move |(_, is)| **is == wanted);
        those.map(|(name, _)| *name)
    };
    renew(input, those(Announcement::Start).collect(), Payload::Events).await;
    if let Err(error) = input
        .heartbeat
        .leave_all_named(those(Announcement::Shutdown))
        .await
    {
        tracing::debug!(%error, "the departures are not durable yet");
    }
}

async fn renew(input: &Input, names: Vec<InstanceName<'_>>, payload: Payload) {
    let renewed = input.heartbeat.renew_all_named(&names, payload.signal());
    if let Err(error) = renewed.await {
        tracing::debug!(%error, "telemetry not taken as a sign of life");
    }
}

// === impl Payload ===

impl Payload {
    const fn label(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Logs => "logs",
            Self::Events => "events",
            Self::BrowserReports => "browser_reports",
        }
    }

    const fn signal(self) -> Signal {
        match self {
            Self::Segments => Signal::TraceSegment,
            Self::Logs | Self::Events | Self::BrowserReports => Signal::Telemetry,
        }
    }
}

// === impl Instance ===

impl Instance {
    fn name(&self) -> InstanceName<'_> {
        InstanceName {
            service: &self.service,
            instance: &self.service_instance,
        }
    }
}

fn answer(registered: Result<(), Error>) -> Handled {
    match registered {
        Ok(()) => Ok((Outcome::Ok, reply(&Commands {}))),
        Err(error) => {
            let field = match error {
                Error::InvalidKey { field: SERVICE, .. } => "service",
                _ => "serviceInstance",
            };
            Err(refuse(field, &error))
        }
    }
}

/// Reads `null` as the default, like an absent key, as the JSON form of protobuf requires.
fn null_or<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

// === impl Event ===

impl Event {
    /// The instance in its source, and the announcement; `None` for an event that is not an agent's announcement about itself.
    fn announcement(&self) -> Option<(InstanceName<'_>, Announcement)> {
        let Object(source) = self.source.as_ref()?;
        let announcement = Announcement::named(self.name.as_bytes())?;
        Some((source.name(), announcement))
    }
}

// === impl Sender ===

impl Sender {
    fn name(&self) -> InstanceName<'_> {
        InstanceName {
            service: &self.service,
            instance: &self.service_instance,
        }
    }
}

// === impl OneOrMore ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an array of objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore<T>, A::Error> {
                let element = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(OneOrMore(vec![element]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<OneOrMore<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(Object(element)) = from.next_element::<Object<T>>()? {
                    elements.push(element);
                }
                Ok(OneOrMore(elements))
            }
        }

        deserializer.deserialize_any(Elements(PhantomData))
    }
}
