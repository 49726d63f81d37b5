//! The bytes of trace segments: one envelope with two layouts of the segment inside.

use rollcall_proto::{
    common::{KeyWithStringValue, SpanType},
    segment::{Segment, v3, v5},
    trace::{LogMessage, RefType, SpanLayer, TraceSegmentReference, UniqueId, UpstreamSegment},
};

use crate::{MINUS_1, golden};

/// `TraceSegmentReference`: 56 bytes, which are the same in both layouts.
const REFERENCE: &[u8] = b"\
    \x08\x01\
    \x12\x05\x0a\x03\x01\x02\x03\
    \x18\x04\
    \x20\x05\
    \x2a\x07db:3306\
    \x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\
    \x38\x07\
    \x42\x06/entry\
    \x48\x09\
    \x52\x07/parent\
    \x58\x0b";

/// Fields 1 to 4 of `SpanObject`, 18 bytes, the same in both layouts: spanId 1, parentSpanId -1, startTime 100,
/// endTime 300.
const SPAN_START: &[u8] =
    b"\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x18\x64\x20\xac\x02";

fn id() -> Option<UniqueId> {
    Some(UniqueId {
        id_parts: vec![1, 2, 3],
    })
}

fn reference() -> TraceSegmentReference {
    TraceSegmentReference {
        ref_type: RefType::CrossThread.into(),
        parent_trace_segment_id: id(),
        parent_span_id: 4,
        parent_application_instance_id: 5,
        network_address: "db:3306".into(),
        network_address_id: -1,
        entry_application_instance_id: 7,
        entry_service_name: "/entry".into(),
        entry_service_id: 9,
        parent_service_name: "/parent".into(),
        parent_service_id: 11,
    }
}

fn pair() -> KeyWithStringValue {
    KeyWithStringValue {
        key: "k".into(),
        value: "v".into(),
    }
}

fn log() -> LogMessage {
    LogMessage {
        time: 5,
        data: vec![pair()],
    }
}

#[test]
fn upstream_segment_of_both_generations() {
    golden(
        &[
            b"\x0a\x0e",         // 1 globalTraceIds, 14 bytes
            b"\x0a\x0c\x01",     //   1 idParts, packed, 12 bytes: 1,
            &MINUS_1,            //   -1,
            b"\x03",             //   3
            b"\x12\x02\x18\x02", // 2 segment
        ],
        &UpstreamSegment {
            global_trace_ids: vec![UniqueId {
                id_parts: vec![1, -1, 3],
            }],
            segment: b"\x18\x02"[..].into(),
        },
    );
}

#[test]
fn reference_of_both_generations() {
    golden(&[REFERENCE], &reference());
}

#[test]
fn segment_3_2_6() {
    let fields: &[&[u8]] = &[
        b"\x0a\x05\x0a\x03\x01\x02\x03", // 1 traceSegmentId
        b"\x12\x38",
        REFERENCE, // 2 refs
        b"\x1a\x4e",
        SPAN_START, // 3 spans, 78 bytes; 1 to 4
        b"\x28",
        &MINUS_1,                                      //   5 operationNameId
        b"\x32\x03/op",                                //   6 operationName
        b"\x38\x02",                                   //   7 peerId
        b"\x42\x07db:3306",                            //   8 peer
        b"\x48\x02",                                   //   9 spanType
        b"\x50\x04",                                   //   10 spanLayer
        b"\x58\x05",                                   //   11 componentId
        b"\x62\x03JDK",                                //   12 component
        b"\x68\x01",                                   //   13 isError
        b"\x72\x06\x0a\x01k\x12\x01v",                 //   14 tags
        b"\x7a\x0a\x08\x05\x12\x06\x0a\x01k\x12\x01v", // 15 logs
        b"\x20",
        &MINUS_1,    // 4 applicationId
        b"\x28\x07", // 5 applicationInstanceId
        b"\x30\x01", // 6 isSizeLimited
    ];
    let object = v3::TraceSegmentObject {
        trace_segment_id: id(),
        refs: vec![reference()],
        spans: vec![v3::SpanObject {
            span_id: 1,
            parent_span_id: -1,
            start_time: 100,
            end_time: 300,
            operation_name_id: -1,
            operation_name: "/op".into(),
            peer_id: 2,
            peer: "db:3306".into(),
            span_type: SpanType::Local.into(),
            span_layer: SpanLayer::Mq.into(),
            component_id: 5,
            component: "JDK".into(),
            is_error: true,
            tags: vec![pair()],
            logs: vec![log()],
        }],
        application_id: -1,
        application_instance_id: 7,
        is_size_limited: true,
    };
    golden(fields, &object);
    assert_eq!(Segment::decode(&fields.concat()), Ok(Segment::V3(object)));
}

#[test]
fn segment_5_x() {
    let fields: &[&[u8]] = &[
        b"\x0a\x05\x0a\x03\x01\x02\x03", // 1 traceSegmentId
        b"\x12\x89\x01",
        SPAN_START, // 2 spans, 137 bytes; 1 to 4
        b"\x2a\x38",
        REFERENCE, //   5 refs
        b"\x30",
        &MINUS_1,                                          //   6 operationNameId
        b"\x3a\x03/op",                                    //   7 operationName
        b"\x40\x02",                                       //   8 peerId
        b"\x4a\x07db:3306",                                //   9 peer
        b"\x50\x02",                                       //   10 spanType
        b"\x58\x05",                                       //   11 spanLayer
        b"\x60\x05",                                       //   12 componentId
        b"\x6a\x03JDK",                                    //   13 component
        b"\x70\x01",                                       //   14 isError
        b"\x7a\x06\x0a\x01k\x12\x01v",                     //   15 tags
        b"\x82\x01\x0a\x08\x05\x12\x06\x0a\x01k\x12\x01v", // 16 logs
        b"\x18",
        &MINUS_1,    // 3 applicationId
        b"\x20\x07", // 4 applicationInstanceId
        b"\x28\x01", // 5 isSizeLimited
    ];
    let object = v5::TraceSegmentObject {
        trace_segment_id: id(),
        spans: vec![v5::SpanObject {
            span_id: 1,
            parent_span_id: -1,
            start_time: 100,
            end_time: 300,
            refs: vec![reference()],
            operation_name_id: -1,
            operation_name: "/op".into(),
            peer_id: 2,
            peer: "db:3306".into(),
            span_type: SpanType::Local.into(),
            span_layer: SpanLayer::Cache.into(),
            component_id: 5,
            component: "JDK".into(),
            is_error: true,
            tags: vec![pair()],
            logs: vec![log()],
        }],
        application_id: -1,
        application_instance_id: 7,
        is_size_limited: true,
    };
    golden(fields, &object);
    assert_eq!(Segment::decode(&fields.concat()), Ok(Segment::V5(object)));
}

#[test]
fn enumerations_have_their_numbers() {
    assert_eq!(SpanType::Entry as i32, 0);
    assert_eq!(SpanType::Exit as i32, 1);
    assert_eq!(SpanType::Local as i32, 2);
    assert_eq!(RefType::CrossProcess as i32, 0);
    assert_eq!(RefType::CrossThread as i32, 1);
    assert_eq!(SpanLayer::Unknown as i32, 0);
    assert_eq!(SpanLayer::Database as i32, 1);
    assert_eq!(SpanLayer::RpcFramework as i32, 2);
    assert_eq!(SpanLayer::Http as i32, 3);
    assert_eq!(SpanLayer::Mq as i32, 4);
    assert_eq!(SpanLayer::Cache as i32, 5);
}
