//! The clock of an agent in its JVM metrics: evidence about the sender, if the collector accepts the message as its own.

use axum::{body::Body, http::Request};
use hyper::service::{Service as _, service_fn};
use prost::Message as _;
use rollcall_link::Links;
use rollcall_proto::jvm::{JvmMetric, JvmMetrics};
use rollcall_service::{
    events::{Event, InstanceKind},
    heartbeat::Sign,
};
use tower::ServiceExt as _;

use super::{
    fixture::{Collector, frame},
    *,
};

/// Sends metrics of 6.x with this instance and a wrong time, over a connection of their own. Returns the kinds of the events.
async fn report(collector: &Collector, instance: i32) -> Vec<InstanceKind> {
    let mut events = collector.services.events.subscribe();
    let metrics = JvmMetrics {
        metrics: vec![JvmMetric {
            time: collector.services.wall().millis() - 30_000,
            ..JvmMetric::default()
        }],
        application_instance_id: instance,
    };
    let request = Request::post("/JVMMetricReportService/collect")
        .header("content-type", "application/grpc")
        .body(Body::from(frame(&metrics.encode_to_vec())))
        .unwrap();
    let link = Links::default().open("127.0.0.1:1".parse().unwrap());
    let router = collector.router();
    let service = link.around(service_fn(|request| router.clone().oneshot(request)));
    let response = service.call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let kinds = std::iter::from_fn(|| match events.try_recv().ok()? {
        Event::Instance(event) => Some(event.kind),
        other => panic!("{other:?}"),
    });
    kinds.collect()
}

#[tokio::test]
async fn the_clock_of_a_refused_sender_is_not_that_of_the_process_with_its_id() {
    let collector = Collector::start();
    let differs = |kinds: &[InstanceKind]| {
        let is_it = |kind: &InstanceKind| matches!(kind, InstanceKind::ClockDiffers(_));
        kinds.iter().any(is_it)
    };
    let sign = Sign {
        instance: InstanceId::new(7).unwrap(),
        application: None,
        signal: Signal::Heartbeat,
    };
    collector.services.heartbeat.renew(sign).await.unwrap();
    let kinds = report(&collector, 7).await;
    assert!(differs(&kinds), "{kinds:?}");

    // An instance of 8.x, whose agent has no id.
    let name = rollcall_service::register::InstanceName {
        service: "orders",
        instance: "one",
    };
    let signal = Signal::Heartbeat;
    let heartbeat = &collector.services.heartbeat;
    heartbeat.renew_named(name, signal).await.unwrap();
    let kinds = report(&collector, i32::MIN + 1).await;
    assert!(matches!(kinds[..], [InstanceKind::Stray(_)]), "{kinds:?}");
}
