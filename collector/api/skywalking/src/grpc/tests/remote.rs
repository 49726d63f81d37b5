//! Registrations forwarded by other collectors.

use axum::Router;
use futures_util::{StreamExt as _, stream};
use rollcall_domain::{
    ApplicationId, Timestamp,
    inventory::{NewInstance, OperationKey, Properties, SpanType},
    liveness::State,
};
use rollcall_proto::remote::{RemoteCommonServiceClient, RemoteMessage};
use rollcall_server::face::Token;
use rollcall_service::{readiness, register::Registration};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, metadata::AsciiMetadataValue};

use super::fixture::{Collector, call, frame};
use crate::{
    grpc,
    remote::{MEMBER, columns},
};

fn message(registration: &Registration) -> RemoteMessage {
    columns::encode(registration, Timestamp::from_millis(0))
}

fn application(code: &str) -> Registration {
    Registration::Application(code.into())
}

/// One registration of each kind.
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
    client
        .call(of_a_member(stream::iter(messages)))
        .await
        .map(drop)
}

fn of_a_member<S>(messages: S) -> Request<S> {
    let mut request = Request::new(messages);
    let version = AsciiMetadataValue::from_static("0.1.0");
    request.metadata_mut().insert(MEMBER, version);
    request
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
    let relayed = collector.instance(1);
    assert_eq!(relayed.state, State::Up);
}

#[tokio::test]
async fn a_stream_longer_than_a_batch_is_committed_whole() {
    let collector = Collector::start();
    let codes = (0..3000).map(|number| message(&application(&number.to_string())));
    pass_on(router(&collector), codes.collect()).await.unwrap();
    shows(
        &collector,
        "dictionary=\"applications\",adopted=\"false\"} 3000\n",
    );
}

#[tokio::test]
async fn registrations_before_an_unusable_message_are_committed_and_the_rest_refused() {
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
        message(&application("b")),
    ];
    let refused = pass_on(router(&collector), messages).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("graph 302"), "{refused}");
    let refused = pass_on(router(&collector), vec![message(&application(""))]).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let why = "application code is empty";
    assert!(refused.message().contains(why), "{refused}");
    for line in [
        "dictionary=\"applications\",adopted=\"false\"} 1\n",
        "rollcall_dropped_total{what=\"remote_messages\"} 2\n",
    ] {
        shows(&collector, line);
    }
    assert!(
        reason(&collector)
            .unwrap()
            .contains("cannot be executed here")
    );
}

#[tokio::test]
async fn a_refusal_names_the_limit_that_this_collector_has_reached() {
    let collector = Collector::start();
    let instance = |raw: i32| {
        Registration::Instance(NewInstance {
            application: ApplicationId::new(raw).unwrap(),
            uuid: raw.to_string().into(),
            generation: None,
            properties: Properties::default(),
        })
    };
    let messages = (100..120).map(|raw| message(&instance(raw)));
    let refused = pass_on(router(&collector), messages.collect()).await;
    let why = "no more unknown applications are adopted";
    let refused = refused.unwrap_err();
    assert!(refused.message().contains(why), "{refused}");
    let shown = reason(&collector).unwrap();
    assert!(shown.contains(why), "{shown}");
    shows(
        &collector,
        "rollcall_dropped_total{what=\"remote_messages\"} 12\n",
    );
}

/// The reason with which other collectors' streams degrade the collector.
fn reason(collector: &Collector) -> Option<String> {
    match collector.services.readiness.status() {
        readiness::Status::Ready => None,
        readiness::Status::Degraded(reasons) | readiness::Status::Unready(reasons) => {
            reasons.get(readiness::REMOTE).map(ToString::to_string)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_collector_that_is_not_a_member_is_refused_and_shown_for_a_while() {
    let collector = Collector::start();
    let mut client = RemoteCommonServiceClient::new(router(&collector));
    let mut request = Request::new(stream::iter([message(&application("phantom"))]));
    let java = AsciiMetadataValue::from_static("grpc-java-netty/1.8.0");
    request.metadata_mut().insert("user-agent", java);
    let refused = client.call(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    for line in [
        "dictionary=\"applications\",adopted=\"false\"} 0\n",
        "rollcall_dropped_total{what=\"remote_messages\"} 1\n",
    ] {
        shows(&collector, line);
    }
    let shown = reason(&collector).unwrap();
    assert!(shown.contains("grpc-java-netty/1.8.0"), "{shown}");
    tokio::time::advance(std::time::Duration::from_secs(121)).await;
    assert_eq!(reason(&collector), None);
}

#[tokio::test]
async fn members_of_the_first_release_are_recognized_by_their_library() {
    let collector = Collector::start();
    let status = async |agent: &str| {
        let path = "/RemoteCommonService/call";
        let headers = [("user-agent", agent)];
        call(router(&collector), path, &headers, frame(b"")).await.0
    };
    assert_eq!(status("tonic/0.14.2").await, Code::InvalidArgument);
    assert_eq!(
        status("grpc-go/1.2 tonic/0.14.2").await,
        Code::Unimplemented
    );
    assert_eq!(status("").await, Code::Unimplemented);
}

#[tokio::test]
async fn a_stream_without_ids_in_time_fails() {
    for collector in [Collector::stalled(), Collector::stopped()] {
        let messages = vec![message(&application("orders"))];
        let refused = pass_on(router(&collector), messages).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn a_stream_that_continues_ends_with_the_collector() {
    let collector = Collector::start();
    let stop = CancellationToken::new();
    let router = grpc::remote(&collector.services, None, stop.clone());
    let endless = stream::iter([message(&application("orders"))]).chain(stream::pending());
    let mut client = RemoteCommonServiceClient::new(router);
    let (answer, ()) = tokio::join!(client.call(of_a_member(endless)), async { stop.cancel() });
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_configured_token_is_required() {
    let collector = Collector::start();
    let status = async |sent: &[(&str, &str)]| {
        let token = Token::new("s3cret");
        let router = grpc::remote(&collector.services, token, CancellationToken::new());
        let path = "/RemoteCommonService/call";
        call(router, path, sent, frame(b"")).await.0
    };
    assert_eq!(status(&[]).await, Code::PermissionDenied);
    let member = [("authentication", "s3cret"), (MEMBER, "0.1.0")];
    assert_eq!(status(&member).await, Code::InvalidArgument);
}
