//! Answers without an id: at the deadline, and from a collector that has stopped assigning ids.

use rollcall_proto::{
    application::ApplicationRegisterServiceClient,
    common::SpanType,
    instance::{ApplicationInstanceMapping, InstanceDiscoveryServiceClient},
    network_address::{NetworkAddressRegisterServiceClient, NetworkAddresses},
    service_name::{ServiceNameCollection, ServiceNameDiscoveryServiceClient},
};
use tonic::Code;

use super::fixture::{Collector, codes, instance, name};

#[tokio::test(start_paused = true)]
async fn register_of_an_application_answers_an_empty_mapping_at_the_deadline() {
    let collector = Collector::stalled();
    let mut client = ApplicationRegisterServiceClient::new(collector.router());
    let reply = client.register(codes(["a", "b"])).await.unwrap();
    assert!(reply.into_inner().application.is_empty());
}

#[tokio::test(start_paused = true)]
async fn application_code_register_is_unavailable_at_the_deadline() {
    let collector = Collector::stalled();
    let mut client = ApplicationRegisterServiceClient::new(collector.router());
    let refused = client
        .application_code_register(codes(["a"]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn register_of_an_instance_answers_0_at_the_deadline() {
    let collector = Collector::stalled();
    let mut client = InstanceDiscoveryServiceClient::new(collector.router());
    let unassigned = ApplicationInstanceMapping {
        application_id: -3,
        application_instance_id: 0,
    };
    let reply = client.register(instance(-3, "u")).await.unwrap();
    assert_eq!(reply.into_inner(), unassigned);
    let reply = client.register_instance(instance(-3, "u")).await.unwrap();
    assert_eq!(reply.into_inner(), unassigned);
}

#[tokio::test(start_paused = true)]
async fn names_and_addresses_without_an_id_at_the_deadline_are_left_out() {
    let collector = Collector::stalled();
    let mut client = ServiceNameDiscoveryServiceClient::new(collector.router());
    let elements = vec![name(2, SpanType::Entry, "/x")];
    let reply = client
        .discovery(ServiceNameCollection { elements })
        .await
        .unwrap();
    assert!(reply.into_inner().elements.is_empty());

    let mut client = NetworkAddressRegisterServiceClient::new(collector.router());
    let addresses = vec!["db:3306".to_owned()];
    let reply = client
        .batch_register(NetworkAddresses { addresses })
        .await
        .unwrap();
    assert!(reply.into_inner().address_ids.is_empty());
}

#[tokio::test]
async fn a_collector_that_no_longer_assigns_is_unavailable() {
    let collector = Collector::stopped();
    let mut client = ApplicationRegisterServiceClient::new(collector.router());
    let refused = client.register(codes(["a"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let refused = client
        .application_code_register(codes(["a"]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let mut client = InstanceDiscoveryServiceClient::new(collector.router());
    let refused = client.register(instance(-3, "u")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
