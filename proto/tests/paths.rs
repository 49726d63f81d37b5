//! The `:path` of every call, as a client of this crate puts it on the wire: no proto package, and so no dot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{convert::Infallible, fmt::Debug};

use rollcall_proto::{
    application::{Application, ApplicationRegisterServiceClient},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceRecover,
        InstanceDiscoveryServiceClient,
    },
    jvm::{JvmMetrics, JvmMetricsServiceClient},
    network_address::{NetworkAddressRegisterServiceClient, NetworkAddresses},
    remote::RemoteCommonServiceClient,
    service_name::{ServiceNameCollection, ServiceNameDiscoveryServiceClient},
    trace::TraceSegmentServiceClient,
};
use tonic::{Response, Status, body::Body};

/// A server that refuses every call and names its path.
async fn refuse(request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
    Ok(Status::unimplemented(request.uri().path()).into_http())
}

fn path<T: Debug>(answer: Result<Response<T>, Status>) -> String {
    answer.unwrap_err().message().to_owned()
}

#[tokio::test]
async fn registration_calls_have_the_paths_of_both_generations() {
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
