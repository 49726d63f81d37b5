//! `grpc.reflection`: the services and their messages, for tools such as `grpcurl`.
//!
//! Each answer is built when the client reads it, from descriptors that are encoded once, so a stream holds one small request. The
//! stream ends with its client, with the collector, or after the time limit of a unary call, whichever comes first. tonic's own
//! handler is not used: it runs a detached task for each stream and accepts messages of 4 MiB.

mod index;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE},
    response::IntoResponse as _,
    routing::post,
};
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use self::index::Index;
use super::{
    stream::{self, Messages},
    unary::frame,
};

/// The call in both of its versions, whose messages are the same on the wire.
pub(super) const PATHS: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The largest request, in bytes. It contains only the name of a symbol or a file, and the name of a host.
const MAX_MESSAGE_SIZE: usize = 4 << 10;

/// Describes the services with these names. Streams end with `stop`.
pub(super) fn router(
    services: impl Iterator<Item = &'static str>,
    stop: &CancellationToken,
) -> Router {
    let index = Arc::new(Index::new(services));
    let serve = |index: Arc<Index>, stop: CancellationToken| {
        move |request: Request<Body>| async move { answer(request, index, stop) }
    };
    PATHS.into_iter().fold(Router::new(), |router, path| {
        let serve = serve(Arc::clone(&index), stop.clone());
        router.route(&format!("/{path}"), post(serve))
    })
}

/// The answers to one stream of requests.
fn answer(request: Request<Body>, index: Arc<Index>, stop: CancellationToken) -> Response<Body> {
    let (head, body) = request.into_parts();
    if let Err(refusal) = stream::refuse_encoded(&head.headers) {
        return refusal.into_http();
    }
    let messages = Messages::new(body, MAX_MESSAGE_SIZE);
    let frames = unfold(Some(messages), move |messages| {
        let (index, stop) = (Arc::clone(&index), stop.clone());
        async move {
            let mut messages = messages?;
            let next = stop.run_until_cancelled(messages.next()).await;
            let next = next.unwrap_or_else(|| Err(Status::unavailable("the collector stops")));
            let answered = next.and_then(|message| match message {
                Some(message) => index.answer(message).map(Some),
                None => Ok(None),
            });
            Some(match answered {
                Ok(Some(message)) => (Ok::<_, Infallible>(Frame::data(message)), Some(messages)),
                Ok(None) => (Ok(end(&Status::ok(""))), None),
                Err(status) => (Ok(end(&status)), None),
            })
        }
    });
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))];
    (content_type, Body::new(StreamBody::new(frames))).into_response()
}

/// The end of a stream.
fn end(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        let internal = HeaderValue::from_static("13");
        trailers.insert("grpc-status", internal);
    }
    Frame::trailers(trailers)
}

impl Index {
    /// The framed answer to one request.
    fn answer(&self, message: Bytes) -> Result<Bytes, Status> {
        let request = ServerReflectionRequest::decode(message).map_err(stream::undecodable)?;
        let answer = ServerReflectionResponse {
            valid_host: request.host.clone(),
            message_response: Some(self.response(request.message_request.as_ref())),
            original_request: Some(request),
        };
        Ok(frame(&answer))
    }

    fn response(&self, request: Option<&MessageRequest>) -> MessageResponse {
        let file = match request {
            Some(MessageRequest::FileByFilename(name)) => self.file(name),
            Some(MessageRequest::FileContainingSymbol(name)) => self.file_of(name),
            Some(MessageRequest::ListServices(_)) => {
                let services = self.services().map(|name| ServiceResponse {
                    name: name.to_owned(),
                });
                return MessageResponse::ListServicesResponse(ListServiceResponse {
                    service: services.collect(),
                });
            }
            // No file has extensions, and tools expect an empty answer then.
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
                return MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                    base_type_name: name.clone(),
                    extension_number: Vec::new(),
                });
            }
            Some(MessageRequest::FileContainingExtension(_)) => None,
            None => return error(Code::InvalidArgument, "the request has no query"),
        };
        match file {
            Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                file_descriptor_proto: vec![file.to_vec()],
            }),
            None => error(Code::NotFound, "no file of this collector has it"),
        }
    }
}

/// An answer that leaves the stream open.
fn error(code: Code, message: &str) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: code.into(),
        error_message: message.to_owned(),
    })
}
