//! 8.0 and later.

use rollcall_domain::{inventory::Generation, liveness::Signal};
use rollcall_proto::{
    application::ApplicationRegisterServiceClient,
    common::KeyWithStringValue,
    management::{self, Commands, InstancePingPkg, InstanceProperties},
};
use rollcall_service::roster::InstanceStatus;
use tonic::{Code, Request};

use super::fixture::{Collector, codes};

fn properties<const N: usize>(pairs: [(&str, &str); N]) -> InstanceProperties {
    let pair = |(key, value): (&str, &str)| KeyWithStringValue {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    InstanceProperties {
        service: "orders".to_owned(),
        service_instance: "one".to_owned(),
        properties: pairs.map(pair).into(),
    }
}

fn ping(service: &str, instance: &str) -> InstancePingPkg {
    InstancePingPkg {
        service: service.to_owned(),
        service_instance: instance.to_owned(),
    }
}

fn first_instance(collector: &Collector) -> InstanceStatus {
    let id = rollcall_domain::InstanceId::new(i32::MIN + 1).unwrap();
    collector.services.roster.instance(id).unwrap()
}

#[tokio::test]
async fn either_spelling_names_the_same_instance() {
    let collector = Collector::start();
    let mut old = management::ManagementServiceClient::new(collector.router());
    let mut new = management::v3::ManagementServiceClient::new(collector.router());
    let reply = old.keep_alive(ping("orders", "one")).await.unwrap();
    assert_eq!(reply.into_inner(), Commands::default());
    new.keep_alive(ping("orders", "one")).await.unwrap();
    let reported = new.report_instance_properties(properties([])).await;
    assert_eq!(reported.unwrap().into_inner(), Commands::default());
    old.report_instance_properties(properties([]))
        .await
        .unwrap();

    let instance = first_instance(&collector).instance;
    assert_eq!(instance.uuid.as_deref(), Some("one"));
    assert_eq!(instance.generation, Some(Generation::V8));
    let applications = collector.services.roster.applications(None, 10).items;
    assert_eq!(applications.len(), 1);
    assert_eq!(applications[0].instances.up, 1);
}

#[tokio::test]
async fn a_service_of_that_name_is_the_application_that_others_registered() {
    let collector = Collector::start();
    let mut of_5x = ApplicationRegisterServiceClient::new(collector.router());
    of_5x
        .application_code_register(codes(["orders"]))
        .await
        .unwrap();
    let mut client = management::v3::ManagementServiceClient::new(collector.router());
    client.keep_alive(ping("orders", "one")).await.unwrap();
    let application = first_instance(&collector).instance.application;
    assert_eq!(application.unwrap().get(), -1);
}

#[tokio::test]
async fn properties_are_kept_until_the_agent_reports_others() {
    let collector = Collector::start();
    let mut client = management::v3::ManagementServiceClient::new(collector.router());
    let mut reported = Request::new(properties([
        ("language", "java"),
        ("ipv4", "a"),
        ("ipv4", "b"),
    ]));
    let version = "9.4.0".parse().unwrap();
    reported.metadata_mut().insert("agent-version", version);
    client.report_instance_properties(reported).await.unwrap();
    assert_eq!(first_instance(&collector).signal, Signal::Register);
    client.keep_alive(ping("orders", "one")).await.unwrap();
    let kept = first_instance(&collector);
    assert_eq!(kept.signal, Signal::Heartbeat);
    assert_eq!(
        kept.instance.properties.iter().collect::<Vec<_>>(),
        [
            ("language", "java"),
            ("ipv4", "a"),
            ("ipv4", "b"),
            ("agent_version", "9.4.0")
        ]
    );
    let others = properties([("language", "java"), ("ipv4", "c")]);
    client.report_instance_properties(others).await.unwrap();
    let properties = first_instance(&collector).instance.properties;
    assert_eq!(properties.get("ipv4"), Some("c"));
}

#[tokio::test]
async fn a_version_unknown_to_the_agent_is_not_returned() {
    let collector = Collector::start();
    let mut client = management::v3::ManagementServiceClient::new(collector.router());
    let mut reported = Request::new(properties([("language", "java")]));
    let version = "UNKNOWN".parse().unwrap();
    reported.metadata_mut().insert("agent-version", version);
    client.report_instance_properties(reported).await.unwrap();
    let properties = first_instance(&collector).instance.properties;
    assert_eq!(
        properties.iter().collect::<Vec<_>>(),
        [("language", "java")]
    );
}

#[tokio::test]
async fn an_empty_name_is_refused_by_its_name() {
    let collector = Collector::start();
    let mut client = management::v3::ManagementServiceClient::new(collector.router());
    for (ping, message) in [
        (ping("", "one"), "service is empty"),
        (ping("orders", ""), "service instance is empty"),
    ] {
        let refused = client.keep_alive(ping).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::InvalidArgument, message)
        );
    }
    assert!(
        collector
            .services
            .roster
            .applications(None, 10)
            .items
            .is_empty()
    );
}
