//! Converts between the wire and the domain. Among the gRPC handlers only this module uses 0 for a missing id.

use rollcall_domain::properties::{self, OsInfo};
use rollcall_domain::{
    ApplicationId, InstanceId, OperationId,
    inventory::{Generation, NewInstance, Properties, SpanType},
};
use rollcall_proto::{
    common::{self, KeyWithIntegerValue, KeyWithStringValue},
    instance::{ApplicationInstance, ApplicationInstanceRecover},
    register::{DetectPoint, Endpoint, EndpointMappingElement, ServiceInstance},
    service_name::{ServiceNameElement, ServiceNameMappingElement},
};
use rollcall_service::register::{OperationRef, Recovery};
use tonic::metadata::MetadataMap;

use super::call::Fault;

/// The wire's value for a key without an id.
pub(super) const NO_ID: i32 = 0;

const NOT_AN_ID: &str = "is 0, which is not an id";

const AGENT_VERSION: &str = "agent-version";

// === from the wire ===

pub(super) fn application_id(raw: i32) -> Result<ApplicationId, Fault> {
    ApplicationId::new(raw).ok_or(Fault {
        field: "applicationId",
        problem: NOT_AN_ID,
    })
}

pub(super) fn instance_id(raw: i32) -> Result<InstanceId, Fault> {
    InstanceId::new(raw).ok_or(Fault {
        field: "applicationInstanceId",
        problem: NOT_AN_ID,
    })
}

pub(super) fn service_id(raw: i32) -> Result<ApplicationId, Fault> {
    ApplicationId::new(raw).ok_or(Fault {
        field: "serviceId",
        problem: NOT_AN_ID,
    })
}

pub(super) fn service_instance_id(raw: i32) -> Result<InstanceId, Fault> {
    InstanceId::new(raw).ok_or(Fault {
        field: "serviceInstanceId",
        problem: NOT_AN_ID,
    })
}

/// The version of the calling agent. Java agents send it since 6.3.
pub(super) fn agent_version(metadata: &MetadataMap) -> Option<&str> {
    metadata.get(AGENT_VERSION)?.to_str().ok()
}

/// Whether the agent drops its ids on the command `ServiceMetadataReset`. Java agents do so since 6.3, and they send their version
/// since the same release.
pub(super) fn is_resettable(metadata: &MetadataMap) -> bool {
    metadata.contains_key(AGENT_VERSION)
}

pub(super) fn pairs(pairs: &[KeyWithStringValue]) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .iter()
        .map(|KeyWithStringValue { key, value }| (key.as_str(), value.as_str()))
}

pub(super) fn service_instance(
    instance: &ServiceInstance,
    agent_version: Option<&str>,
) -> Result<NewInstance, Fault> {
    Ok(NewInstance {
        application: service_id(instance.service_id)?,
        uuid: instance.instance_uuid.as_str().into(),
        generation: Some(Generation::V6),
        properties: properties::reported(pairs(&instance.properties), agent_version),
    })
}

pub(super) fn process(
    instance: ApplicationInstance,
    generation: Generation,
) -> Result<NewInstance, Fault> {
    Ok(NewInstance {
        application: application_id(instance.application_id)?,
        uuid: instance.agent_uuid.into(),
        generation: Some(generation),
        properties: os_info(instance.osinfo.as_ref()),
    })
}

/// Converts a recovery. It carries no generation, because both 3.2.6 agents and rollcall-agent, which otherwise uses the calls of
/// 5.x, make this call.
pub(super) fn recovery(recover: ApplicationInstanceRecover) -> Result<Recovery, Fault> {
    Ok(Recovery {
        application: application_id(recover.application_id)?,
        instance: instance_id(recover.application_instance_id)?,
        generation: None,
        properties: os_info(recover.osinfo.as_ref()),
    })
}

fn os_info(info: Option<&rollcall_proto::instance::OsInfo>) -> Properties {
    info.map(|info| OsInfo {
        os_name: &info.os_name,
        host_name: &info.hostname,
        process_no: info.process_no.into(),
        ipv4s: &info.ipv4s,
    })
    .unwrap_or_default()
    .into()
}

pub(super) fn operation(element: &ServiceNameElement) -> Result<OperationRef<'_>, Fault> {
    let span_type =
        common::SpanType::try_from(element.src_span_type).map_err(|_unknown| Fault {
            field: "srcSpanType",
            problem: "must be 0 (entry), 1 (exit) or 2 (local)",
        })?;
    Ok(OperationRef {
        application: application_id(element.application_id)?,
        span_type: match span_type {
            common::SpanType::Entry => SpanType::Entry,
            common::SpanType::Exit => SpanType::Exit,
            common::SpanType::Local => SpanType::Local,
        },
        name: &element.service_name,
    })
}

/// Converts an endpoint of the called side or of the calling side. 6.x servers register only the called side and leave the other
/// side out of every answer, so 6.x agents keep requesting it.
pub(super) fn endpoint(endpoint: &Endpoint) -> Result<OperationRef<'_>, Fault> {
    let application = service_id(endpoint.service_id)?;
    let span_type = match DetectPoint::try_from(endpoint.from) {
        Ok(DetectPoint::Server) => SpanType::Entry,
        Ok(DetectPoint::Client) => SpanType::Exit,
        Ok(DetectPoint::Proxy) | Err(_) => {
            return Err(Fault {
                field: "from",
                problem: "must be 0 (client) or 1 (server)",
            });
        }
    };
    Ok(OperationRef {
        application,
        span_type,
        name: &endpoint.endpoint_name,
    })
}

/// Removes the elements that have a fault. Fails only if every element has one.
pub(super) fn retain_usable<T>(
    elements: &mut Vec<T>,
    fault: impl Fn(&T) -> Option<Fault>,
) -> Result<(), Fault> {
    let mut found = None;
    elements.retain(|element| {
        let fault = fault(element);
        found = found.or(fault);
        fault.is_none()
    });
    match found {
        Some(fault) if elements.is_empty() => Err(fault),
        _ => Ok(()),
    }
}

// === to the wire ===

/// The keys that have an id, as received.
pub(super) fn mappings(
    keys: Vec<String>,
    ids: impl IntoIterator<Item = Option<i32>>,
) -> Vec<KeyWithIntegerValue> {
    let pairs = keys.into_iter().zip(ids);
    pairs
        .filter_map(|(key, id)| Some(KeyWithIntegerValue { key, value: id? }))
        .collect()
}

/// The elements that have an id, as received.
pub(super) fn operation_mappings(
    elements: Vec<ServiceNameElement>,
    ids: Vec<Option<OperationId>>,
) -> Vec<ServiceNameMappingElement> {
    let pairs = elements.into_iter().zip(ids);
    pairs
        .filter_map(|(element, id)| {
            Some(ServiceNameMappingElement {
                service_id: id?.get(),
                element: Some(element),
            })
        })
        .collect()
}

/// The endpoints that have an id, as received.
pub(super) fn endpoint_mappings(
    endpoints: Vec<Endpoint>,
    ids: Vec<Option<OperationId>>,
) -> Vec<EndpointMappingElement> {
    let pairs = endpoints.into_iter().zip(ids);
    pairs
        .filter_map(|(endpoint, id)| {
            Some(EndpointMappingElement {
                service_id: endpoint.service_id,
                endpoint_name: endpoint.endpoint_name,
                endpoint_id: id?.get(),
                from: endpoint.from,
            })
        })
        .collect()
}
