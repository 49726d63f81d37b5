//! Trace segments.

use prost::Message;
use rollcall_domain::liveness::Signal;
use rollcall_proto::{
    application::ApplicationRegisterServiceClient,
    common::SpanType,
    instance::InstanceDiscoveryServiceClient,
    network_address::{NetworkAddressRegisterServiceClient, NetworkAddresses},
    segment::{v3, v5},
    service_name::{ServiceNameCollection, ServiceNameDiscoveryServiceClient},
    trace::{TraceSegmentReference, TraceSegmentServiceClient, UpstreamSegment},
};

use super::fixture::{Collector, codes, instance, name};

fn upstream(segment: &impl Message) -> UpstreamSegment {
    UpstreamSegment {
        segment: segment.encode_to_vec().into(),
        ..UpstreamSegment::default()
    }
}

fn reference() -> TraceSegmentReference {
    TraceSegmentReference {
        parent_application_instance_id: 1,
        network_address_id: 1,
        entry_application_instance_id: 2,
        entry_service_id: 2,
        parent_service_id: -2,
        ..TraceSegmentReference::default()
    }
}

/// A segment of instance 7 of application 2, with operation -1 and peer -1. It mentions instances 1 and 2, operations 2 and -2,
/// and peer 1.
fn segment_v3() -> v3::TraceSegmentObject {
    v3::TraceSegmentObject {
        refs: vec![reference()],
        spans: vec![v3::SpanObject {
            operation_name_id: -1,
            peer_id: -1,
            ..v3::SpanObject::default()
        }],
        application_id: 2,
        application_instance_id: 7,
        ..v3::TraceSegmentObject::default()
    }
}

/// The same in the other layout.
fn segment_v5() -> v5::TraceSegmentObject {
    v5::TraceSegmentObject {
        spans: vec![v5::SpanObject {
            refs: vec![reference()],
            operation_name_id: -1,
            peer_id: -1,
            ..v5::SpanObject::default()
        }],
        application_id: 2,
        application_instance_id: 7,
        ..v5::TraceSegmentObject::default()
    }
}

async fn collect(collector: &Collector, segments: impl IntoIterator<Item = UpstreamSegment>) {
    let segments: Vec<_> = segments.into_iter().collect();
    let mut client = TraceSegmentServiceClient::new(collector.router());
    client
        .collect(futures_util::stream::iter(segments))
        .await
        .unwrap();
}

#[tokio::test]
async fn segments_of_both_layouts_renew_the_lease_of_their_instance() {
    for segment in [upstream(&segment_v3()), upstream(&segment_v5())] {
        let collector = Collector::start();
        collect(&collector, [segment]).await;
        assert_eq!(collector.signal(7), Signal::TraceSegment);
        assert_eq!(collector.instance(7).instance.application.unwrap().get(), 2);
    }
}

#[tokio::test]
async fn an_invalid_segment_does_not_stop_the_others() {
    let collector = Collector::start();
    let garbage = UpstreamSegment {
        segment: b"garbage"[..].into(),
        ..UpstreamSegment::default()
    };
    let unknown = v5::TraceSegmentObject {
        application_instance_id: 0,
        ..segment_v5()
    };
    let of_another_application = v5::TraceSegmentObject {
        application_id: 3,
        ..segment_v5()
    };
    let of_the_next = v5::TraceSegmentObject {
        application_instance_id: 8,
        ..segment_v5()
    };
    let segments = [
        UpstreamSegment::default(),
        garbage,
        upstream(&segment_v3()),
        upstream(&unknown),
        upstream(&of_another_application),
        upstream(&of_the_next),
    ];
    collect(&collector, segments).await;
    assert_eq!(collector.signal(7), Signal::TraceSegment);
    assert_eq!(collector.signal(8), Signal::TraceSegment);
    let exposition = collector.services.exposition();
    for counted in ["what=\"undecodable_segments\"} 3", "what=\"segments\"} 3"] {
        assert!(exposition.contains(counted), "{exposition}");
    }
}

#[tokio::test]
async fn an_empty_stream_is_answered() {
    let collector = Collector::start();
    collect(&collector, []).await;
}

#[tokio::test]
async fn ids_in_a_5_x_segment_are_reserved_and_mentioned_ones_are_not() {
    let collector = Collector::start();
    collect(&collector, [upstream(&segment_v5())]).await;
    assert_eq!(first_application(&collector).await, -1);
    assert_eq!(first_operation(&collector).await, 2);
    assert_eq!(first_address(&collector).await, 1);
    assert_eq!(first_instance(&collector).await, 1);
}

/// Peers of a 3.2.6 segment are applications.
#[tokio::test]
async fn ids_in_a_3_2_6_segment_are_reserved_and_mentioned_ones_are_not() {
    let collector = Collector::start();
    collect(&collector, [upstream(&segment_v3())]).await;
    assert_eq!(first_application(&collector).await, -2);
    assert_eq!(first_operation(&collector).await, 2);
    assert_eq!(first_address(&collector).await, -1);
    assert_eq!(first_instance(&collector).await, 1);
}

async fn first_application(collector: &Collector) -> i32 {
    let mut client = ApplicationRegisterServiceClient::new(collector.router());
    let reply = client.register(codes(["new"])).await.unwrap();
    reply.into_inner().application[0].value
}

async fn first_operation(collector: &Collector) -> i32 {
    let mut client = ServiceNameDiscoveryServiceClient::new(collector.router());
    let elements = vec![name(2, SpanType::Entry, "/new")];
    let reply = client
        .discovery(ServiceNameCollection { elements })
        .await
        .unwrap();
    reply.into_inner().elements[0].service_id
}

async fn first_address(collector: &Collector) -> i32 {
    let mut client = NetworkAddressRegisterServiceClient::new(collector.router());
    let addresses = vec!["new:1".to_owned()];
    let reply = client
        .batch_register(NetworkAddresses { addresses })
        .await
        .unwrap();
    reply.into_inner().address_ids[0].value
}

async fn first_instance(collector: &Collector) -> i32 {
    let mut client = InstanceDiscoveryServiceClient::new(collector.router());
    let reply = client.register(instance(2, "new")).await.unwrap();
    reply.into_inner().application_instance_id
}
