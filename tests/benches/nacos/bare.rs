//! Bare servers, which show the cost of the same calls without a collector.
//!
//! One process serves both faces. Over HTTP, hyper returns stored answers; over gRPC, tonic decodes the envelope and its JSON and
//! answers. The process uses the same kind of runtime as the collector (multi-threaded, one worker per core) and disables Nagle's
//! algorithm.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    io::Read,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rollcall_tests::nacos::Payload;
use serde::Deserialize;
use tokio::{net::TcpListener, task};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{
    Status, Streaming,
    body::Body,
    server::{Grpc, NamedService},
    transport::server::TcpIncoming,
};
use tonic_prost::ProstCodec;

/// The method that stores the answer to all later requests with another method.
pub(crate) const STORE: Method = Method::PATCH;

/// Prints the addresses of both faces, and serves until standard input ends, so that a killed benchmark leaves no server behind.
pub(crate) async fn serve() {
    let (http, grpc) = (listen().await, listen().await);
    let incoming = TcpIncoming::from(grpc).with_nodelay(Some(true));
    let grpc = tonic::transport::Server::builder()
        .add_service(Calls)
        .add_service(Streams)
        .serve_with_incoming(incoming);
    let end_of_input = task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        () = hyper(&http) => {}
        served = grpc => served.expect("serving"),
        end = end_of_input => drop(end.expect("reading does not panic")),
    }
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.expect("a free port");
    println!("{}", listener.local_addr().expect("a bound socket"));
    listener
}

/// The stored answers by path.
type Stored = Mutex<HashMap<String, Bytes>>;

async fn hyper(listener: &TcpListener) {
    let stored = Arc::<Stored>::default();
    loop {
        let (stream, _) = listener.accept().await.expect("accepting a connection");
        stream.set_nodelay(true).expect("a connected socket");
        let stored = Arc::clone(&stored);
        let service = service_fn(move |request| answer(Arc::clone(&stored), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    stored: Arc<Stored>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let body = if request.method() == STORE {
        let path = path.to_owned();
        let body = request.into_body().collect().await.expect("a body");
        stored.lock().insert(path, body.to_bytes());
        Bytes::new()
    } else {
        stored.lock().get(path).cloned().unwrap_or_default()
    };
    let mut response = Response::new(Full::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

/// The unary calls.
#[derive(Clone, Copy, Debug)]
struct Calls;

/// The streams.
#[derive(Clone, Copy, Debug)]
struct Streams;

impl NamedService for Calls {
    const NAME: &'static str = "Request";
}

impl NamedService for Streams {
    const NAME: &'static str = "BiRequestStream";
}

type Answered = futures_util::future::BoxFuture<'static, Result<Response<Body>, Infallible>>;

impl tower::Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answered {
        let service = tower::service_fn(answer_call);
        Box::pin(async move { Ok(grpc().unary(service, request).await) })
    }
}

impl tower::Service<Request<Body>> for Streams {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answered {
        let service = tower::service_fn(|request: tonic::Request<Streaming<Payload>>| {
            ready(Ok(tonic::Response::new(silent(request.into_inner()))))
        });
        Box::pin(async move { Ok(grpc().streaming(service, request).await) })
    }
}

fn grpc() -> Grpc<ProstCodec<Payload, Payload>> {
    Grpc::new(ProstCodec::default())
}

/// A stream that reads the messages of a client and sends no messages.
fn silent(messages: Streaming<Payload>) -> impl Stream<Item = Result<Payload, Status>> + Send {
    messages.filter(Result::is_err)
}

/// The fields of a registration. Only the type is used; the other fields are decoded because a real server decodes them.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoded and not used")]
#[serde(rename_all = "camelCase")]
struct Registration<'a> {
    #[serde(borrow)]
    namespace: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    r#type: &'a str,
    instance: Instance<'a>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "decoded and not used")]
#[serde(rename_all = "camelCase")]
struct Instance<'a> {
    #[serde(borrow)]
    ip: &'a str,
    port: u16,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    cluster_name: &'a str,
    #[serde(borrow)]
    metadata: HashMap<&'a str, &'a str>,
}

fn answer_call(
    request: tonic::Request<Payload>,
) -> Ready<Result<tonic::Response<Payload>, Status>> {
    let request = request.into_inner();
    let (kind, json) = match request.r#type() {
        "HealthCheckRequest" => ("HealthCheckResponse", "{\"resultCode\":200}".to_owned()),
        _ => {
            let read = serde_json::from_slice::<Registration<'_>>(request.body());
            let read = std::hint::black_box(read.expect("a registration"));
            let echoed = read.r#type;
            let json =
                format!(r#"{{"resultCode":200,"errorCode":0,"type":"{echoed}","success":true}}"#);
            ("InstanceResponse", json)
        }
    };
    ready(Ok(tonic::Response::new(Payload::new(kind, json.into()))))
}
