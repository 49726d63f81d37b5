//! The health service.

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_server::Health as _,
};

use super::fixture::Collector;
use crate::grpc::health::Handler;

#[tokio::test]
async fn a_watched_health_follows_readiness_until_the_collector_drains() {
    let collector = Collector::start();
    let stop = CancellationToken::new();
    let names = ["Register"].into_iter();
    let handler = Handler::new(&collector.services, names, 16, stop.clone());
    let watch = async |service: &str| {
        let service = service.to_owned();
        let request = tonic::Request::new(HealthCheckRequest { service });
        handler
            .watch(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let mut registered = watch("Register").await.unwrap();
    let mut unknown = watch("Nothing").await.unwrap();
    let mut next = async || {
        let next = registered.next().await;
        next.map(|status| status.unwrap().status())
    };
    assert_eq!(next().await, Some(ServingStatus::Serving));
    collector.services.readiness.unmet("test", "not yet");
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    // A second reason changes nothing that a client sees.
    collector.services.readiness.unmet("another", "not yet");
    collector.services.readiness.met("test");
    collector.services.readiness.met("another");
    assert_eq!(next().await, Some(ServingStatus::Serving));
    let first = unknown.next().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);

    // Each stream takes a place and frees it at its end.
    let mut open = Vec::new();
    let refused = loop {
        match watch("").await {
            Ok(stream) => open.push(stream),
            Err(refused) => break refused,
        }
    };
    assert_eq!(
        (open.len(), refused.code()),
        (14, tonic::Code::ResourceExhausted)
    );
    let key = "agent_gRPC.gRPC.max_health_watchers";
    assert!(refused.message().contains(key), "{refused}");
    let watchers = collector.services.metrics.health_watchers(16);
    assert_eq!(watchers.get(), 16);
    open.clear();
    assert_eq!(watchers.get(), 2);
    assert!(watch("").await.is_ok());

    stop.cancel();
    assert_eq!(next().await, None);
    assert!(unknown.next().await.is_none());
}
