//! Tests the `:path` of every call of this crate's clients. Up to 8.3 the services have no proto package, so the paths have no dot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{convert::Infallible, fmt::Debug};

use rollcall_proto::{
    application::{Application, ApplicationRegisterServiceClient},
    goodbye::{AgentClient, LeaveRequest},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceRecover,
        InstanceDiscoveryServiceClient,
    },
    jvm::{JvmMetrics, JvmMetricsServiceClient},
    management::{self, InstancePingPkg, InstanceProperties},
    network_address::{NetworkAddressRegisterServiceClient, NetworkAddresses},
    register::{
        Endpoints, NetAddresses, RegisterClient, ServiceAndNetworkAddressMappings,
        ServiceInstancePingClient, ServiceInstancePingPkg, ServiceInstances, Services,
    },
    remote::RemoteCommonServiceClient,
    service_name::{ServiceNameCollection, ServiceNameDiscoveryServiceClient},
    trace::TraceSegmentServiceClient,
};
use tonic::{Response, Status, body::Body};

/// A server that refuses every call and returns its path.
async fn refuse(request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
    Ok(Status::unimplemented(request.uri().path()).into_http())
}

fn path<T: Debug>(answer: Result<Response<T>, Status>) -> String {
    answer.unwrap_err().message().to_owned()
}

#[tokio::test]
async fn registration_calls_have_the_paths_of_3_2_6_and_5_x() {
    let mut client = ApplicationRegisterServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.register(Application::default()).await),
        "/ApplicationRegisterService/register"
    );
    assert_eq!(
        path(
            client
                .application_code_register(Application::default())
                .await
        ),
        "/ApplicationRegisterService/applicationCodeRegister"
    );

    let mut client = InstanceDiscoveryServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.register(ApplicationInstance::default()).await),
        "/InstanceDiscoveryService/register"
    );
    assert_eq!(
        path(
            client
                .register_instance(ApplicationInstance::default())
                .await
        ),
        "/InstanceDiscoveryService/registerInstance"
    );
    let heartbeat = ApplicationInstanceHeartbeat::default();
    assert_eq!(
        path(client.heartbeat(heartbeat).await),
        "/InstanceDiscoveryService/heartbeat"
    );
    let recover = ApplicationInstanceRecover::default();
    assert_eq!(
        path(client.register_recover(recover).await),
        "/InstanceDiscoveryService/registerRecover"
    );

    let mut client = ServiceNameDiscoveryServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.discovery(ServiceNameCollection::default()).await),
        "/ServiceNameDiscoveryService/discovery"
    );

    let mut client = NetworkAddressRegisterServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.batch_register(NetworkAddresses::default()).await),
        "/NetworkAddressRegisterService/batchRegister"
    );
}

#[tokio::test]
async fn telemetry_and_remote_calls_have_the_paths_of_both_generations() {
    let mut client = JvmMetricsServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.collect(JvmMetrics::default()).await),
        "/JVMMetricsService/collect"
    );

    let mut client = TraceSegmentServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.collect(tokio_stream::empty()).await),
        "/TraceSegmentService/collect"
    );

    let mut client = RemoteCommonServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.call(tokio_stream::empty()).await),
        "/RemoteCommonService/call"
    );
}

#[tokio::test]
async fn calls_of_6_x_have_no_package() {
    let mut client = RegisterClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.do_service_register(Services::default()).await),
        "/Register/doServiceRegister"
    );
    let instances = ServiceInstances::default();
    assert_eq!(
        path(client.do_service_instance_register(instances).await),
        "/Register/doServiceInstanceRegister"
    );
    assert_eq!(
        path(client.do_endpoint_register(Endpoints::default()).await),
        "/Register/doEndpointRegister"
    );
    let addresses = NetAddresses::default();
    assert_eq!(
        path(client.do_network_address_register(addresses).await),
        "/Register/doNetworkAddressRegister"
    );
    let mappings = ServiceAndNetworkAddressMappings::default();
    assert_eq!(
        path(
            client
                .do_service_and_network_address_mapping_register(mappings)
                .await
        ),
        "/Register/doServiceAndNetworkAddressMappingRegister"
    );
    let mut client = ServiceInstancePingClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.do_ping(ServiceInstancePingPkg::default()).await),
        "/ServiceInstancePing/doPing"
    );
}

#[tokio::test]
async fn management_has_a_package_since_8_4() {
    let (properties, ping) = (InstanceProperties::default(), InstancePingPkg::default());
    let mut client = management::ManagementServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.report_instance_properties(properties.clone()).await),
        "/ManagementService/reportInstanceProperties"
    );
    assert_eq!(
        path(client.keep_alive(ping.clone()).await),
        "/ManagementService/keepAlive"
    );
    let mut client = management::v3::ManagementServiceClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.report_instance_properties(properties).await),
        "/skywalking.v3.ManagementService/reportInstanceProperties"
    );
    assert_eq!(
        path(client.keep_alive(ping).await),
        "/skywalking.v3.ManagementService/keepAlive"
    );
}

#[tokio::test]
async fn the_goodbye_is_in_rollcalls_package() {
    let mut client = AgentClient::new(tower::service_fn(refuse));
    assert_eq!(
        path(client.leave(LeaveRequest::default()).await),
        "/rollcall.Agent/Leave"
    );
}
