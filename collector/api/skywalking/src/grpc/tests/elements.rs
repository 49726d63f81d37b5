//! The limit on the elements of one message, in every call of every generation.

use std::collections::BTreeSet;

use prost::Message as _;
use rollcall_proto::{
    jvm::{JvmMetric, JvmMetrics},
    register::{ServiceInstance, ServiceInstances},
};
use rollcall_service::testing::MAX_BATCH;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::fixture::{Collector, call, codes, frame};
use crate::grpc::{agents, reflection, remote, shape::Shapes, telemetry};

/// The calls without a repeated field, whose messages have a limit of some KiB.
const SMALL: [&str; 3] = [
    "grpc.health.v1.Health/Check",
    reflection::PATHS[0],
    reflection::PATHS[1],
];

/// Every call of this collector: those in the descriptors, and those that it drops unread.
fn every_call() -> BTreeSet<&'static str> {
    let described = Shapes::get()
        .paths()
        .filter(|path| !path.starts_with("etcdserverpb."));
    described.chain(telemetry::paths()).collect()
}

/// A message that every call refuses: elements of two bytes, in field 1.
fn hostile() -> Vec<u8> {
    frame(&b"\x0a\x00".repeat(17 * MAX_BATCH))
}

#[test]
fn the_calls_are_those_of_every_generation() {
    let calls = every_call();
    for call in [
        "ApplicationRegisterService/register",
        "TraceSegmentService/collect",
        "Register/doServiceInstanceRegister",
        "skywalking.v3.ManagementService/reportInstanceProperties",
        "skywalking.v10.PprofTask/collect",
        remote::CALL,
    ] {
        assert!(calls.contains(call), "{call}");
    }
}

/// This test fails for a call that is added without a limit.
#[tokio::test]
async fn every_call_refuses_a_message_with_too_many_elements() {
    let collector = Collector::start();
    let service = |path: &'static str| path.split('/').next();
    let (_, served) = agents(&collector.services, 1, &CancellationToken::new());
    let served: BTreeSet<_> = served.into_iter().map(service).collect();
    for name in every_call() {
        let path = format!("/{name}");
        let (status, _) = call(collector.open_router(), &path, &[], hostile()).await;
        if status == Code::Unimplemented {
            // The agents' descriptors have it, but the collector does not serve it.
            assert!(!served.contains(&service(name)), "{path}");
            continue;
        }
        assert_eq!(status, Code::ResourceExhausted, "{path}");
    }
    for path in SMALL {
        let path = format!("/{path}");
        let (status, _) = call(collector.open_router(), &path, &[], hostile()).await;
        assert_eq!(status, Code::OutOfRange, "{path}");
    }
    let written = collector.services.exposition();
    assert!(written.contains("adopted=\"true\"} 0"), "{written}");
}

#[tokio::test]
async fn a_dictionary_of_the_largest_size_is_answered_in_full() {
    let collector = Collector::start();
    let names: Vec<_> = (0..MAX_BATCH).map(|at| format!("a-{at}")).collect();
    let mut request = codes([]);
    request.application_code = names;
    let path = "/ApplicationRegisterService/register";
    let body = frame(&request.encode_to_vec());
    let (status, answer) = call(collector.open_router(), path, &[], body).await;
    assert_eq!(status, Code::Ok);
    let mappings = rollcall_proto::application::ApplicationMapping::decode(&answer[5..]).unwrap();
    assert_eq!(mappings.application.len(), MAX_BATCH);
    assert_eq!(mappings.application[7].key, "a-7");
    request.application_code.push("one too many".to_owned());
    let body = frame(&request.encode_to_vec());
    let (status, _) = call(collector.open_router(), path, &[], body).await;
    assert_eq!(status, Code::ResourceExhausted);
}

#[tokio::test]
async fn a_message_takes_memory_only_while_it_is_handled() {
    let collector = Collector::start();
    let instance = ServiceInstance {
        service_id: 1,
        instance_uuid: "u".to_owned(),
        ..ServiceInstance::default()
    };
    let message = ServiceInstances {
        instances: vec![instance; MAX_BATCH / 2],
    };
    let path = "/Register/doServiceInstanceRegister";
    let body = frame(&message.encode_to_vec());
    let (status, _) = call(collector.open_router(), path, &[], body).await;
    assert_eq!(status, Code::Ok);
    let exposition = collector.services.exposition();
    let nothing = "rollcall_budget_bytes{budget=\"work\"} 0";
    assert!(exposition.contains(nothing), "{exposition}");
}

/// Telemetry is not decoded: an instance with many metrics stays alive.
#[tokio::test]
async fn jvm_metrics_are_read_for_their_instance_alone() {
    let collector = Collector::start();
    let garbage = [&[0x0a, 3, 0xff, 0xff, 0xff][..], b"\x10\x07"].concat();
    let metrics = JvmMetrics {
        metrics: vec![JvmMetric::default(); 600],
        application_instance_id: 8,
    };
    let path = "/JVMMetricsService/collect";
    for (message, instance) in [(garbage, 7), (metrics.encode_to_vec(), 8)] {
        let (status, _) = call(collector.open_router(), path, &[], frame(&message)).await;
        assert_eq!(status, Code::Ok);
        assert_eq!(
            collector.signal(instance),
            rollcall_domain::liveness::Signal::JvmMetrics
        );
    }
}
