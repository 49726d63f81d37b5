//! gRPC reflection, as tools use it.

use std::collections::BTreeSet;

use bytes::{Buf as _, Bytes};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use rollcall_server::face::Token;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use super::fixture::{Collector, call, frame};
use crate::grpc::reflection::PATHS;

fn request(message_request: MessageRequest) -> Vec<u8> {
    let request = ServerReflectionRequest {
        host: "here".to_owned(),
        message_request: Some(message_request),
    };
    frame(&request.encode_to_vec())
}

fn answers(mut body: Bytes) -> Vec<MessageResponse> {
    let mut answers = Vec::new();
    while !body.is_empty() {
        assert_eq!(body.get_u8(), 0);
        let length = usize::try_from(body.get_u32()).unwrap();
        let answer = ServerReflectionResponse::decode(body.split_to(length)).unwrap();
        assert_eq!(answer.valid_host, "here");
        answers.extend(answer.message_response);
    }
    answers
}

/// The answers to one stream with these requests.
async fn query(path: &str, requests: &[MessageRequest]) -> Vec<MessageResponse> {
    let collector = Collector::start();
    let body: Vec<u8> = requests.iter().cloned().flat_map(request).collect();
    let path = format!("/{path}");
    let (status, body) = call(collector.router(), &path, &[], body).await;
    assert_eq!(status, Code::Ok);
    answers(body)
}

fn file(answer: &MessageResponse) -> FileDescriptorProto {
    let MessageResponse::FileDescriptorResponse(files) = answer else {
        panic!("a file: {answer:?}")
    };
    let [file] = &files.file_descriptor_proto[..] else {
        panic!("one file: {files:?}")
    };
    FileDescriptorProto::decode(&file[..]).unwrap()
}

#[tokio::test]
async fn every_listed_service_is_described_with_all_that_it_needs() {
    for path in PATHS {
        let listed = query(path, &[MessageRequest::ListServices(String::new())]).await;
        let [MessageResponse::ListServicesResponse(listed)] = &listed[..] else {
            panic!("a list: {listed:?}")
        };
        let names: BTreeSet<_> = listed.service.iter().map(|it| it.name.as_str()).collect();
        for name in [
            "ApplicationRegisterService",
            "Register",
            "skywalking.v3.ManagementService",
            "rollcall.Agent",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
        ] {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        // Members call it on a listener of their own.
        assert!(!names.contains("RemoteCommonService"));

        let symbols = names
            .iter()
            .map(|name| MessageRequest::FileContainingSymbol((*name).to_owned()));
        let described = query(path, &symbols.collect::<Vec<_>>()).await;
        assert_eq!(described.len(), names.len());
        let mut wanted: BTreeSet<String> = described
            .iter()
            .flat_map(|answer| file(answer).dependency)
            .collect();
        let mut found = BTreeSet::new();
        while let Some(name) = wanted.pop_first() {
            let requests = [MessageRequest::FileByFilename(name.clone())];
            wanted.extend(file(&query(path, &requests).await[0]).dependency);
            found.insert(name);
            wanted.retain(|name| !found.contains(name));
        }
    }
}

#[tokio::test]
async fn a_name_that_is_unknown_leaves_the_stream_open() {
    let requests = [
        MessageRequest::FileContainingSymbol("no.Such".to_owned()),
        MessageRequest::FileByFilename("/etc/passwd".to_owned()),
        MessageRequest::FileContainingSymbol("ApplicationInstance.osinfo".to_owned()),
        MessageRequest::AllExtensionNumbersOfType("Commands".to_owned()),
    ];
    let answers = query(PATHS[0], &requests).await;
    let [
        MessageResponse::ErrorResponse(first),
        MessageResponse::ErrorResponse(second),
        third,
        MessageResponse::AllExtensionNumbersResponse(_),
    ] = &answers[..]
    else {
        panic!("two errors and a file: {answers:?}")
    };
    assert_eq!([first.error_code, second.error_code], [5, 5]);
    assert_eq!(file(third).name(), "instance.proto");
}

#[tokio::test]
async fn a_request_is_small_and_needs_the_token() {
    let collector = Collector::start();
    for path in PATHS {
        let path = format!("/{path}");
        let large = request(MessageRequest::FileContainingSymbol("a".repeat(5000)));
        let (status, _) = call(collector.router(), &path, &[], large).await;
        assert_eq!(status, Code::OutOfRange);
        let garbage = frame(b"\xff\xff");
        let (status, _) = call(collector.router(), &path, &[], garbage).await;
        assert_eq!(status, Code::Internal);

        let router = || collector.router_with(Token::new("s3cret"), CancellationToken::new());
        let (status, _) = call(router(), &path, &[], frame(b"")).await;
        assert_eq!(status, Code::PermissionDenied);
        let sent = [("authentication", "s3cret")];
        let (status, _) = call(router(), &path, &sent, frame(b"")).await;
        assert_eq!(status, Code::Ok);
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_collector() {
    let collector = Collector::start();
    let stop = CancellationToken::new();
    let router = collector.router_with(None, stop.clone());
    let open = axum::body::Body::from_stream(futures_util::stream::pending::<
        Result<Bytes, std::convert::Infallible>,
    >());
    let path = format!("/{}", PATHS[0]);
    let ended = call(router, &path, &[], open);
    stop.cancel();
    assert_eq!(ended.await.0, Code::Unavailable);
}
