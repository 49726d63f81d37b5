//! Tests segments that mention ids which the collector has never assigned.

use prost::Message;
use rollcall_proto::{
    segment::{v3, v5},
    trace::{TraceSegmentReference, TraceSegmentServiceClient, UpstreamSegment},
};
use rollcall_tests::{grpc, http, process::Collector};

use crate::victim::Victim;

fn upstream(segment: &impl Message) -> UpstreamSegment {
    UpstreamSegment {
        segment: segment.encode_to_vec().into(),
        ..UpstreamSegment::default()
    }
}

async fn send(client: &grpc::Client, segments: Vec<UpstreamSegment>) -> Result<(), tonic::Status> {
    TraceSegmentServiceClient::new(client.channel.clone())
        .collect(futures_util::stream::iter(segments))
        .await
        .map(drop)
}

/// The number of adopted ids of a dictionary.
async fn adopted(victim: &Victim, dictionary: &str) -> u64 {
    let ui = http::Client::new(victim.collector.listeners().ui);
    let text = ui.get("/metrics").await.expect("metrics").text();
    let name = format!("rollcall_entries{{dictionary=\"{dictionary}\",adopted=\"true\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    value.expect("the entries").parse().expect("a number")
}

/// A segment of instance 7 with `count` references, each to different ids.
fn references(count: i32) -> v5::TraceSegmentObject {
    let reference = |at: i32| TraceSegmentReference {
        parent_application_instance_id: 1000 + at,
        entry_application_instance_id: 1_000_000 + at,
        network_address_id: -1000 - at,
        entry_service_id: 1000 + at,
        parent_service_id: -1000 - at,
        ..TraceSegmentReference::default()
    };
    let span = |at| v5::SpanObject {
        refs: vec![reference(at)],
        ..v5::SpanObject::default()
    };
    v5::TraceSegmentObject {
        spans: (0..count).map(span).collect(),
        application_id: 50_000,
        application_instance_id: 7,
        ..v5::TraceSegmentObject::default()
    }
}

#[tokio::test]
async fn ids_in_references_are_not_adopted_over_either_protocol() {
    let victim = Victim::start(Collector::options()).await;
    let client = victim.collector.grpc().await;
    send(&client, vec![upstream(&references(50_000))])
        .await
        .expect("a segment within the limits");
    let references: Vec<_> = (1000..20_000)
        .map(|id| {
            format!(r#"{{"pts":[1],"pii":{id},"psi":{id},"ni":{id},"eii":{id},"esi":-{id}}}"#)
        })
        .collect();
    let body = format!(
        r#"[{{"sg":{{"ai":50000,"ii":7,"ss":[{{"oi":0,"pi":0,"rs":[{}]}}]}}}}]"#,
        references.join(",")
    );
    let jetty = http::Client::new(victim.collector.listeners().jetty);
    let reply = jetty.post("/segments", body).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    for (dictionary, expected) in [
        ("applications", 1),
        ("instances", 1),
        ("operations", 0),
        ("addresses", 0),
    ] {
        assert_eq!(adopted(&victim, dictionary).await, expected, "{dictionary}");
    }
    victim.survives().await;
}

#[tokio::test]
async fn ids_in_segments_never_prevent_the_recovery_of_a_lost_store() {
    let options = Collector::options().env("SW_REGISTER_MAX_ADOPTED_IDS", "2000");
    let victim = Victim::start(options).await;
    let client = victim.collector.grpc().await;
    // In 3.2.6, peers are registered as applications, so they use the same ids as the agents that recover below.
    let segment = |message: i32| v3::TraceSegmentObject {
        spans: (0..10_000)
            .map(|at| v3::SpanObject {
                operation_name_id: 1000 + message * 10_000 + at,
                peer_id: 1000 + message * 10_000 + at,
                ..v3::SpanObject::default()
            })
            .collect(),
        application_id: 5,
        application_instance_id: 7,
        ..v3::TraceSegmentObject::default()
    };
    for message in 0..5 {
        send(&client, vec![upstream(&segment(message))])
            .await
            .expect("a segment within the limits");
    }
    assert!(adopted(&victim, "operations").await <= 2000);
    assert!(adopted(&victim, "applications").await <= 1001);
    for id in 10_000..10_500 {
        client.recover(id, id).await.expect("a lost store recovers");
    }
    victim.survives().await;
}
