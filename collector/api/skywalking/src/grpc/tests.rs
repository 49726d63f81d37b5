//! The guarantees for agents, tested with the generated clients against a router without a socket. The suite `compat` of
//! `rollcall-tests` has the answers that all faces share.

mod clock;
mod elements;
mod events;
mod fixture;
mod futures;
mod health;
mod limits;
mod metrics;
mod reflection;
mod remote;
mod segments;
mod telemetry;
mod token;
mod unassigned;
mod v6;
mod v8;

use rollcall_domain::{
    InstanceId,
    inventory::Generation,
    liveness::{Signal, State},
};
use rollcall_proto::{
    application::{Application, ApplicationRegisterServiceClient},
    common::SpanType,
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceRecover,
        InstanceDiscoveryServiceClient, OsInfo,
    },
    jvm::{JvmMetric, JvmMetrics, JvmMetricsServiceClient},
    service_name::{ServiceNameCollection, ServiceNameDiscoveryServiceClient},
};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use fixture::{Collector, codes, instance, name};

#[tokio::test]
async fn application_code_register_answers_exactly_one_code_the_last() {
    let collector = Collector::start();
    let mut client = ApplicationRegisterServiceClient::new(collector.router());
    let reply = client.application_code_register(codes(["a", "b"])).await;
    let mapping = reply.unwrap().into_inner().application;
    assert_eq!(mapping.len(), 1);
    assert_eq!((mapping[0].key.as_str(), mapping[0].value), ("b", -1));
}

#[tokio::test]
async fn application_code_register_never_answers_an_empty_mapping() {
    let collector = Collector::start();
    let mut client = ApplicationRegisterServiceClient::new(collector.router());
    let refused = client
        .application_code_register(Application::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("applicationCode"), "{refused:?}");
}

#[tokio::test]
async fn an_unusable_field_is_named() {
    let collector = Collector::start();
    let mut client = InstanceDiscoveryServiceClient::new(collector.router());
    let refused = [
        (
            client.register(instance(0, "u")).await.unwrap_err(),
            "applicationId is 0",
        ),
        (
            client.register_instance(instance(2, "")).await.unwrap_err(),
            "is empty",
        ),
        (
            client
                .heartbeat(ApplicationInstanceHeartbeat::default())
                .await
                .unwrap_err(),
            "applicationInstanceId is 0",
        ),
        (
            client.register_recover(recover(0, 7)).await.unwrap_err(),
            "applicationId is 0",
        ),
        (
            client.register_recover(recover(2, 0)).await.unwrap_err(),
            "applicationInstanceId is 0",
        ),
    ];
    for (refused, problem) in refused {
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains(problem), "{refused:?}");
    }
}

#[tokio::test]
async fn discovery_echoes_the_side_of_the_call() {
    let collector = Collector::start();
    let mut client = ServiceNameDiscoveryServiceClient::new(collector.router());
    let elements =
        [SpanType::Entry, SpanType::Exit, SpanType::Local].map(|side| name(2, side, "/x"));
    let request = ServiceNameCollection {
        elements: elements.to_vec(),
    };
    let reply = client.discovery(request).await.unwrap().into_inner();
    let echoed = reply
        .elements
        .iter()
        .map(|mapping| mapping.element.clone().unwrap());
    assert_eq!(echoed.collect::<Vec<_>>(), elements);
}

#[tokio::test]
async fn reported_process_properties_are_recorded() {
    let collector = Collector::start();
    let mut client = InstanceDiscoveryServiceClient::new(collector.router());
    let reported = |uuid: &str| ApplicationInstance {
        osinfo: Some(OsInfo {
            os_name: "Linux".into(),
            hostname: "node1".into(),
            process_no: 42,
            ipv4s: vec!["10.0.0.1".into(), "10.0.0.2".into()],
        }),
        ..instance(2, uuid)
    };
    client.register(reported("u1")).await.unwrap();
    client.register_instance(reported("u2")).await.unwrap();
    for (id, generation) in [(1, Generation::V3), (2, Generation::V5)] {
        let instance = collector.instance(id).instance;
        assert_eq!(instance.generation, Some(generation));
        assert_eq!(instance.properties.get("host_name"), Some("node1"));
        assert_eq!(instance.properties.get("process_no"), Some("42"));
        assert_eq!(instance.properties.iter().count(), 5);
    }
}

#[tokio::test]
async fn every_call_of_an_instance_renews_its_lease_or_adopts_it() {
    let collector = Collector::start();
    let mut client = InstanceDiscoveryServiceClient::new(collector.router());
    let mut jvm = JvmMetricsServiceClient::new(collector.router());
    let heartbeat = ApplicationInstanceHeartbeat {
        application_instance_id: 7,
        heartbeat_time: 1,
    };
    let metrics = JvmMetrics {
        metrics: vec![JvmMetric::default()],
        application_instance_id: 7,
    };

    client.heartbeat(heartbeat).await.unwrap();
    assert!(collector.instance(7).instance.adopted);
    assert_eq!(collector.signal(7), Signal::Heartbeat);
    jvm.collect(metrics).await.unwrap();
    assert_eq!(collector.signal(7), Signal::JvmMetrics);
    client.register_recover(recover(-5, 7)).await.unwrap();
    assert_eq!(collector.signal(7), Signal::Recover);
    let recovered = collector.instance(7);
    assert_eq!(recovered.state, State::Up);
    assert_eq!(recovered.instance.application.unwrap().get(), -5);
}

#[tokio::test]
async fn an_instance_of_another_application_is_not_recovered() {
    let collector = Collector::start();
    let mut client = InstanceDiscoveryServiceClient::new(collector.router());
    client.register_recover(recover(-5, 7)).await.unwrap();
    let refused = client.register_recover(recover(4, 7)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert_eq!(
        collector.instance(7).instance.application.unwrap().get(),
        -5
    );
}

#[tokio::test]
async fn health_follows_readiness() {
    let collector = Collector::start();
    let mut client = HealthClient::new(collector.router());
    collector.services.readiness.unmet("test", "not yet");
    let reply = client.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(reply.into_inner().status(), ServingStatus::NotServing);
    collector.services.readiness.met("test");
    let reply = client.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(reply.into_inner().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn each_service_has_a_health_and_an_unknown_name_has_none() {
    let collector = Collector::start();
    let mut client = HealthClient::new(collector.router());
    let mut check = async |service: &str| {
        let service = service.to_owned();
        let reply = client.check(HealthCheckRequest { service }).await;
        reply.map(|reply| reply.into_inner().status())
    };
    let services = [
        "Register",
        "skywalking.v3.ManagementService",
        "skywalking.v3.JVMMetricReportService",
        "grpc.health.v1.Health",
    ];
    for (is_ready, expected) in [
        (true, ServingStatus::Serving),
        (false, ServingStatus::NotServing),
    ] {
        if !is_ready {
            collector.services.readiness.unmet("test", "not ready");
        }
        for service in services {
            assert_eq!(check(service).await.unwrap(), expected, "{service}");
        }
        assert_eq!(check("liveness").await.unwrap(), ServingStatus::Serving);
    }
    assert_eq!(check("orders").await.unwrap_err().code(), Code::NotFound);
}

fn recover(application: i32, id: i32) -> ApplicationInstanceRecover {
    ApplicationInstanceRecover {
        application_id: application,
        application_instance_id: id,
        ..ApplicationInstanceRecover::default()
    }
}

// === impl Collector ===

impl Collector {
    fn signal(&self, id: i32) -> Signal {
        self.instance(id).signal
    }

    fn instance(&self, id: i32) -> rollcall_service::roster::InstanceStatus {
        let id = InstanceId::new(id).unwrap();
        self.services.roster.instance(id).unwrap()
    }
}
