//! The HTTP calls of 6.x and 7.0 agents, such as nginx-lua 0.1.0: the JSON form of the messages of `Register` and
//! `ServiceInstancePing`, with the same meaning as over gRPC. (nginx-lua 0.2.0 uses `/v3`.)
//!
//! Agents of this face ignore the command to register again. So an unknown id in a ping is adopted for its sender, as for gRPC
//! agents that do not send their version.

use std::sync::Arc;

use axum::{
    body::Body,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use rollcall_domain::properties;
use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{Generation, NewInstance},
    liveness::Signal,
};
use rollcall_limits::work;
use rollcall_metrics::Outcome;
use rollcall_server::face::{JSON, Refusal, json::Object, reply};
use rollcall_service::heartbeat::{Ping, Pong, Sign};
use serde::{Deserialize, Serialize};

use super::{
    Face, Handled, Input, Routes, in_time, moment::Moment, outcome, skip_unless_transient,
};
use crate::gson;
use crate::http::refuse::refuse;

/// Adds the calls of this generation.
pub(super) fn add(routes: Routes<'_>) -> Routes<'_> {
    routes
        .post("/v2/service/register", Face::v2_services)
        .post("/v2/instance/register", Face::v2_instances)
        .post("/v2/instance/heartbeat", Face::v2_heartbeat)
        .post("/v2/segments", Face::v2_segment)
}

#[derive(Debug, Deserialize)]
struct Services {
    #[serde(default)]
    services: Vec<Object<Service>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    service_name: String,
}

#[derive(Debug, Deserialize)]
struct Instances {
    #[serde(default)]
    instances: Vec<Object<Instance>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    #[serde(deserialize_with = "gson::number")]
    service_id: i32,
    #[serde(rename = "instanceUUID")]
    uuid: String,
    /// The time of the agent.
    #[serde(default)]
    time: Moment,
    #[serde(default)]
    properties: Properties,
}

/// Lua encodes an empty list as an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Properties {
    Pairs(Vec<Object<Property>>),
    None(Object<Empty>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Debug, Deserialize)]
struct Property {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heartbeat {
    #[serde(deserialize_with = "gson::number")]
    service_instance_id: i32,
    #[serde(default, rename = "serviceInstanceUUID")]
    uuid: String,
    /// The time of the agent.
    #[serde(default)]
    time: Moment,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    #[serde(deserialize_with = "gson::number")]
    service_id: i32,
    #[serde(deserialize_with = "gson::number")]
    service_instance_id: i32,
}

/// An entry of an answer; `value` is 0 until there is an id.
#[derive(Debug, Serialize)]
struct Mapping<'a> {
    key: &'a str,
    value: i32,
}

/// The answer to a ping.
#[derive(Debug, Serialize)]
struct Commands {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<Command>,
}

#[derive(Debug, Serialize)]
struct Command {
    command: &'static str,
}

// === impl Face ===

impl Face {
    async fn v2_services(self: Arc<Self>, input: Input) -> Handled {
        let Object(Services { services }): Object<Services> = input.parse().await?;
        let names: Vec<String> = work::convert(services.len(), || {
            let names = services.into_iter();
            names.map(|Object(service)| service.service_name).collect()
        });
        let ids = input.register.applications(&names).await;
        let ids = in_time(ids, names.len(), "services")?;
        let outcome = outcome(&ids);
        let reply = move || {
            let values = ids.iter().map(|id| id.map_or(0, ApplicationId::get));
            mappings(names.iter().map(String::as_str), values)
        };
        Ok((outcome, input.reply(reply).await?))
    }

    async fn v2_instances(self: Arc<Self>, input: Input) -> Handled {
        let Object(Instances { instances }): Object<Instances> = input.parse().await?;
        let count = instances.len();
        let (places, processes) = work::convert(count, || usable(&instances))?;
        let first = places.first().and_then(|at| instances.get(*at));
        let time = first.and_then(|Object(first)| first.time.0);
        let skew = input.heartbeat.read_clock(time);
        let ids = input.register.instances(&processes).await;
        let ids = in_time(ids, processes.len(), "instances")?;
        if let Some(first) = ids.first().copied().flatten() {
            input.heartbeat.report_clock(first, skew);
        }
        let outcome = if ids.iter().flatten().count() == count {
            Outcome::Ok
        } else {
            Outcome::Unassigned
        };
        let reply = move || {
            drop(processes);
            let mut values = vec![0; count];
            for (at, id) in places.into_iter().zip(ids) {
                if let (Some(value), Some(id)) = (values.get_mut(at), id) {
                    *value = id.get();
                }
            }
            let keys = instances.iter().map(|Object(instance)| &*instance.uuid);
            mappings(keys, values.into_iter())
        };
        Ok((outcome, input.reply(reply).await?))
    }

    async fn v2_heartbeat(self: Arc<Self>, input: Input) -> Handled {
        let Object(beat): Object<Heartbeat> = input.parse().await?;
        let field = "serviceInstanceId";
        let instance = InstanceId::new(beat.service_instance_id);
        let ping = Ping {
            instance: instance.ok_or_else(|| super::zero(field))?,
            uuid: &beat.uuid,
            resettable: false,
        };
        let skew = input.heartbeat.read_clock(beat.time.0);
        let pong = input.heartbeat.ping(ping).await;
        let pong = pong.map_err(|error| refuse(field, &error))?;
        if ping.renews(pong) {
            input.heartbeat.report_clock(ping.instance, skew);
        }
        let commands = match pong {
            Pong::Same => Vec::new(),
            Pong::Unknown | Pong::Another => vec![Command {
                command: "ServiceMetadataReset",
            }],
        };
        Ok((Outcome::Ok, reply(&Commands { commands })))
    }

    /// A segment renews the lease of its instance and is otherwise dropped.
    async fn v2_segment(self: Arc<Self>, input: Input) -> Handled {
        let Object(segment): Object<Segment> = input.parse().await?;
        if let Some(instance) = InstanceId::new(segment.service_instance_id) {
            let sign = Sign {
                instance,
                application: ApplicationId::new(segment.service_id),
                signal: Signal::TraceSegment,
            };
            skip_unless_transient(input.heartbeat.renew(sign).await)?;
        }
        self.dropped_segments.inc();
        let response = ([(CONTENT_TYPE, JSON)], Body::empty()).into_response();
        Ok((Outcome::Ok, response))
    }
}

/// The instances that can be registered, and their positions. Fails only if none can be registered.
fn usable(instances: &[Object<Instance>]) -> Result<(Vec<usize>, Vec<NewInstance>), Refusal> {
    let process = |(at, Object(instance)): (usize, &Object<Instance>)| {
        instance.process().map(|process| (at, process))
    };
    let usable: (Vec<_>, Vec<_>) = instances.iter().enumerate().filter_map(process).unzip();
    if usable.0.is_empty() && !instances.is_empty() {
        return Err(super::zero("instances[0].serviceId"));
    }
    Ok(usable)
}

fn mappings<'a>(
    keys: impl Iterator<Item = &'a str>,
    values: impl Iterator<Item = i32>,
) -> Response {
    let entries: Vec<_> = keys
        .zip(values)
        .map(|(key, value)| Mapping { key, value })
        .collect();
    reply(&entries)
}

// === impl Instance ===

impl Instance {
    /// `None` without a service id.
    fn process(&self) -> Option<NewInstance> {
        let properties: &[_] = match &self.properties {
            Properties::Pairs(pairs) => pairs,
            Properties::None(_) => &[],
        };
        let pairs = properties.iter();
        let pairs = pairs.map(|Object(pair)| (pair.key.as_str(), pair.value.as_str()));
        Some(NewInstance {
            application: ApplicationId::new(self.service_id)?,
            uuid: self.uuid.as_str().into(),
            generation: Some(Generation::V6),
            properties: properties::reported(pairs, None),
        })
    }
}

// === impl Properties ===

impl Default for Properties {
    fn default() -> Self {
        Self::Pairs(Vec::new())
    }
}
