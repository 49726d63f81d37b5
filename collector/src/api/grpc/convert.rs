//! Between the wire and the words inside. Only here an id may be 0, which means that there is none.

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId,
    inventory::{Generation, NewInstance, Properties, SpanType},
    liveness::Signal,
};
use rollcall_proto::{
    common::{self, KeyWithIntegerValue},
    instance::{ApplicationInstance, ApplicationInstanceRecover},
    segment::{Segment, v3, v5},
    service_name::{ServiceNameElement, ServiceNameMappingElement},
    trace::TraceSegmentReference,
};

use super::call::Fault;
use crate::{
    api::os_info::OsInfo,
    service::{
        heartbeat::Sign,
        register::{Held, OperationRef, Recovery},
    },
};

/// The id of what has none yet.
pub(super) const NO_ID: i32 = 0;

const NOT_AN_ID: &str = "is 0, which is no id";

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

pub(super) fn process(
    instance: ApplicationInstance,
    generation: Generation,
) -> Result<NewInstance, Fault> {
    Ok(NewInstance {
        application: application_id(instance.application_id)?,
        uuid: instance.agent_uuid.into(),
        generation: Some(generation),
        properties: properties(instance.osinfo.as_ref()),
    })
}

/// The call does not tell the generation: 3.2.6 agents make it, and rollcall-agent, which otherwise speaks as 5.x.
pub(super) fn recovery(recover: ApplicationInstanceRecover) -> Result<Recovery, Fault> {
    Ok(Recovery {
        application: application_id(recover.application_id)?,
        instance: instance_id(recover.application_instance_id)?,
        generation: None,
        properties: properties(recover.osinfo.as_ref()),
    })
}

fn properties(info: Option<&rollcall_proto::instance::OsInfo>) -> Properties {
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
            problem: "is none of 0 (entry), 1 (exit), 2 (local)",
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

/// That the sender of a segment lives.
pub(super) fn sign(segment: &Segment) -> Result<Sign, Fault> {
    let (application, instance) = match segment {
        Segment::V3(segment) => (segment.application_id, segment.application_instance_id),
        Segment::V5(segment) => (segment.application_id, segment.application_instance_id),
    };
    Ok(Sign {
        instance: instance_id(instance)?,
        application: Some(application_id(application)?),
        signal: Signal::TraceSegment,
    })
}

/// The ids that the sender of a 3.2.6 segment holds, besides its own. Its peers are applications.
pub(super) fn held_v3(segment: &v3::TraceSegmentObject) -> impl Iterator<Item = Held> {
    let references = segment
        .refs
        .iter()
        .flat_map(|reference| held_by_reference(reference, held_application));
    let spans = segment.spans.iter().flat_map(|span| {
        [
            held_operation(span.operation_name_id),
            held_application(span.peer_id),
        ]
    });
    references.chain(spans).flatten()
}

/// The ids that the sender of a 5.x segment holds, besides its own. Its peers are addresses.
pub(super) fn held_v5(segment: &v5::TraceSegmentObject) -> impl Iterator<Item = Held> {
    let references = segment
        .spans
        .iter()
        .flat_map(|span| &span.refs)
        .flat_map(|reference| held_by_reference(reference, held_address));
    let spans = segment.spans.iter().flat_map(|span| {
        [
            held_operation(span.operation_name_id),
            held_address(span.peer_id),
        ]
    });
    references.chain(spans).flatten()
}

fn held_by_reference(
    reference: &TraceSegmentReference,
    peer: fn(i32) -> Option<Held>,
) -> [Option<Held>; 5] {
    [
        held_instance(reference.parent_application_instance_id),
        peer(reference.network_address_id),
        held_instance(reference.entry_application_instance_id),
        held_operation(reference.entry_service_id),
        held_operation(reference.parent_service_id),
    ]
}

fn held_application(raw: i32) -> Option<Held> {
    ApplicationId::new(raw).map(Held::Application)
}

fn held_instance(raw: i32) -> Option<Held> {
    InstanceId::new(raw).map(Held::Instance)
}

fn held_operation(raw: i32) -> Option<Held> {
    OperationId::new(raw).map(Held::Operation)
}

fn held_address(raw: i32) -> Option<Held> {
    AddressId::new(raw).map(Held::Address)
}

// === to the wire ===

/// The keys that have an id, as they came.
pub(super) fn mappings(
    keys: Vec<String>,
    ids: impl IntoIterator<Item = Option<i32>>,
) -> Vec<KeyWithIntegerValue> {
    let pairs = keys.into_iter().zip(ids);
    pairs
        .filter_map(|(key, id)| Some(KeyWithIntegerValue { key, value: id? }))
        .collect()
}

/// The elements that have an id, as they came.
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
