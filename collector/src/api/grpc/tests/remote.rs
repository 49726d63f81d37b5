//! Registrations that other collectors pass on.

use axum::Router;
use futures_util::{StreamExt as _, stream};
use rollcall_domain::{
    ApplicationId, Timestamp,
    inventory::{NewInstance, OperationKey, Properties, SpanType},
    liveness::State,
};
use rollcall_proto::remote::{RemoteCommonServiceClient, RemoteMessage};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::fixture::{Collector, call, frame};
use crate::{
    api::{Token, grpc},
    remote::columns,
    service::register::Registration,
};

fn message(registration: &Registration) -> RemoteMessage {
    columns::encode(registration, Timestamp::from_millis(0))
}

fn application(code: &str) -> Registration {
    Registration::Application(code.into())
}

/// One of each kind.
fn registrations() -> [Registration; 5] {
    let id = ApplicationId::new(-1).unwrap();
    [
        application("orders"),
        Registration::Instance(NewInstance {
            application: id,
            uuid: "one".into(),
            generation: None,
            properties: Properties::default(),
        }),
        Registration::Named {
            service: "carts".into(),
            instance: "two".into(),
            properties: Properties::default(),
        },
        Registration::Operation(OperationKey {
            application: id,
            span_type: SpanType::Entry,
            name: "/pay".into(),
        }),
        Registration::Address("db:1".into()),
    ]
}

fn router(collector: &Collector) -> Router {
    grpc::remote(&collector.services, None, CancellationToken::new())
}

async fn pass_on(router: Router, messages: Vec<RemoteMessage>) -> Result<(), Status> {
    let mut client = RemoteCommonServiceClient::new(router);
    client.call(stream::iter(messages)).await.map(drop)
}

fn shows(collector: &Collector, line: &str) {
    let metrics = collector.services.exposition();
    assert!(metrics.contains(line), "no {line} in {metrics}");
}

#[tokio::test]
async fn a_stream_is_answered_once_all_of_it_has_ids() {
    let collector = Collector::start();
    let messages = registrations().iter().map(message).collect();
    pass_on(router(&collector), messages).await.unwrap();
    for (dictionary, entries) in [
        ("applications", 2),
        ("instances", 2),
        ("operations", 1),
        ("addresses", 1),
    ] {
        let line = format!("dictionary=\"{dictionary}\",adopted=\"false\"}} {entries}\n");
        shows(&collector, &line);
    }
    let told_of = collector.instance(1);
    assert_eq!(told_of.state, State::Up);
}

#[tokio::test]
async fn more_than_is_held_at_a_time_is_committed_all_the_same() {
    let collector = Collector::start();
    let codes = (0..3000).map(|number| message(&application(&number.to_string())));
    pass_on(router(&collector), codes.collect()).await.unwrap();
    shows(
        &collector,
        "dictionary=\"applications\",adopted=\"false\"} 3000\n",
    );
}

#[tokio::test]
async fn what_cannot_be_used_is_skipped_and_counted() {
    let collector = Collector::start();
    let unknown = RemoteMessage {
        graph_id: 302,
        node_id: 10004,
        remote_data_id: 4,
        remote_data: None,
    };
    let messages = vec![
        message(&application("a")),
        unknown,
        message(&application("")),
        message(&application("b")),
    ];
    pass_on(router(&collector), messages).await.unwrap();
    shows(
        &collector,
        "dictionary=\"applications\",adopted=\"false\"} 2\n",
    );
    shows(
        &collector,
        "rollcall_dropped_total{what=\"remote_messages\"} 2\n",
    );
}

#[tokio::test]
async fn what_has_no_id_in_time_is_not_answered_as_if_it_had() {
    for collector in [Collector::stalled(), Collector::stopped()] {
        let messages = vec![message(&application("orders"))];
        let refused = pass_on(router(&collector), messages).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn a_stream_that_goes_on_ends_with_the_collector() {
    let collector = Collector::start();
    let stop = CancellationToken::new();
    let router = grpc::remote(&collector.services, None, stop.clone());
    let endless = stream::iter([message(&application("orders"))]).chain(stream::pending());
    let mut client = RemoteCommonServiceClient::new(router);
    let (answer, ()) = tokio::join!(client.call(endless), async { stop.cancel() });
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_token_is_asked_for_where_there_is_one() {
    let collector = Collector::start();
    let status = async |sent: &[(&str, &str)]| {
        let token = Token::new("s3cret");
        let router = grpc::remote(&collector.services, token, CancellationToken::new());
        let path = "/RemoteCommonService/call";
        call(router, path, sent, frame(b"")).await.0
    };
    assert_eq!(status(&[]).await, Code::PermissionDenied);
    assert_eq!(status(&[("authentication", "s3cret")]).await, Code::Ok);
}
