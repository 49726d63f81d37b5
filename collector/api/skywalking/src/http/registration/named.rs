//! The calls of agents of 8.0 and later, which identify instances by names alone (proto/docs/skywalking.md sections 6.2 and
//! 6.3). Bodies are the JSON form of the protobuf messages. Unneeded keys are skipped, and so is a property without a key (early
//! Python agents write `{"language": "Python"}`).

use std::{fmt, sync::Arc};

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
use crate::http::refuse::refuse;

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

/// Drops segments of web pages without reading them: their instance is the page's version, not a process. A request with
/// an `Origin` header comes from a browser.
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

/// The body of `/v3/management/reportProperties`; that of the keep-alive has a part of it.
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

/// The sender of a telemetry element; an event has it one level down.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Element {
    #[serde(deserialize_with = "null_or")]
    service: String,
    #[serde(deserialize_with = "null_or")]
    service_instance: String,
    source: Option<Object<Sender>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sender {
    #[serde(deserialize_with = "null_or")]
    service: String,
    #[serde(deserialize_with = "null_or")]
    service_instance: String,
}

/// The senders of one element or of an array of elements.
#[derive(Debug)]
struct Senders(Vec<Sender>);

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
        if payload == Payload::BrowserReports {
            return Ok(1);
        }
        let Senders(senders) = input.parse().await?;
        let names: Vec<_> = senders.iter().map(Sender::name).collect();
        let heartbeat = &input.heartbeat;
        let renewed = heartbeat.renew_all_named(&names, payload.signal());
        if let Err(error) = renewed.await {
            tracing::debug!(%error, "telemetry not taken as a sign of life");
        }
        Ok(u64::try_from(senders.len()).unwrap_or(u64::MAX))
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

/// Reads `null` as the default, like an absent key: the JSON form of protobuf.
fn null_or<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

// === impl Element ===

impl Element {
    fn sender(self) -> Sender {
        let Self {
            service,
            service_instance,
            source,
        } = self;
        match source {
            Some(Object(source)) => source,
            None => Sender {
                service,
                service_instance,
            },
        }
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

// === impl Senders ===

impl<'de> Deserialize<'de> for Senders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Senders;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an array of objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Senders, A::Error> {
                let element = Element::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Senders(vec![element.sender()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Senders, A::Error> {
                let mut senders = Vec::new();
                while let Some(Object(element)) = elements.next_element::<Object<Element>>()? {
                    senders.push(element.sender());
                }
                Ok(Senders(senders))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}
