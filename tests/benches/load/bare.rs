//! Bare servers, which show the cost of the same request without a collector.
//!
//! The servers use the same runtime as the collector (multi-threaded, one worker per core), disable Nagle's algorithm as the
//! collector does, and send replies of the same length. Each prints its address on standard output.

use std::{convert::Infallible, io::Read};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rollcall_proto::{
    application::{
        Application, ApplicationMapping, ApplicationRegisterService,
        ApplicationRegisterServiceServer,
    },
    common::{Downstream, KeyWithIntegerValue},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover, InstanceDiscoveryService, InstanceDiscoveryServiceServer,
    },
    jvm::{JvmMetrics, JvmMetricsService, JvmMetricsServiceServer},
};
use tokio::{net::TcpListener, task};
use tonic::{Status, transport::server::TcpIncoming};

use crate::options::Reply;

/// Serves one reply with hyper, over HTTP/1.1.
pub(crate) async fn hyper(reply: &Reply) {
    let content_type = HeaderValue::from_str(&reply.content_type).expect("a content type");
    let body = Bytes::from(reply.body.clone());
    let listener = listen().await;
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await.expect("accepting a connection");
            stream.set_nodelay(true).expect("a connected socket");
            let (content_type, body) = (content_type.clone(), body.clone());
            let answer = service_fn(move |_: Request<Incoming>| {
                let mut response = Response::new(Full::new(body.clone()));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, content_type.clone());
                std::future::ready(Ok::<_, Infallible>(response))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    };
    tokio::select! {
        () = accept => {}
        () = end_of_input() => {}
    }
}

/// Serves the services that the scenarios call with tonic.
pub(crate) async fn tonic() {
    let incoming = TcpIncoming::from(listen().await).with_nodelay(Some(true));
    tonic::transport::Server::builder()
        .add_service(ApplicationRegisterServiceServer::new(Bare))
        .add_service(InstanceDiscoveryServiceServer::new(Bare))
        .add_service(JvmMetricsServiceServer::new(Bare))
        .serve_with_incoming_shutdown(incoming, end_of_input())
        .await
        .expect("serving");
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    println!("{}", listener.local_addr().expect("a bound socket"));
    listener
}

/// Waits until standard input ends. The benchmark holds the other end, so a killed benchmark leaves no server behind.
async fn end_of_input() {
    task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
        .await
        .expect("reading does not panic")
        .expect("standard input");
}

/// Decodes the request, returns the first ids that a collector assigns, and encodes the reply.
#[derive(Clone, Copy, Debug)]
struct Bare;

type CallResult<T> = Result<tonic::Response<T>, Status>;

#[tonic::async_trait]
impl ApplicationRegisterService for Bare {
    async fn register(
        &self,
        request: tonic::Request<Application>,
    ) -> CallResult<ApplicationMapping> {
        self.application_code_register(request).await
    }

    async fn application_code_register(
        &self,
        request: tonic::Request<Application>,
    ) -> CallResult<ApplicationMapping> {
        let codes = request.into_inner().application_code.into_iter();
        let application = codes
            .map(|key| KeyWithIntegerValue { key, value: -1 })
            .collect();
        Ok(ApplicationMapping { application }.into())
    }
}

#[tonic::async_trait]
impl InstanceDiscoveryService for Bare {
    async fn register(
        &self,
        request: tonic::Request<ApplicationInstance>,
    ) -> CallResult<ApplicationInstanceMapping> {
        self.register_instance(request).await
    }

    async fn register_instance(
        &self,
        request: tonic::Request<ApplicationInstance>,
    ) -> CallResult<ApplicationInstanceMapping> {
        let application_id = request.into_inner().application_id;
        Ok(ApplicationInstanceMapping {
            application_id,
            application_instance_id: 1,
        }
        .into())
    }

    async fn heartbeat(
        &self,
        _: tonic::Request<ApplicationInstanceHeartbeat>,
    ) -> CallResult<Downstream> {
        Ok(Downstream::default().into())
    }

    async fn register_recover(
        &self,
        _: tonic::Request<ApplicationInstanceRecover>,
    ) -> CallResult<Downstream> {
        Ok(Downstream::default().into())
    }
}

#[tonic::async_trait]
impl JvmMetricsService for Bare {
    async fn collect(&self, _: tonic::Request<JvmMetrics>) -> CallResult<Downstream> {
        Ok(Downstream::default().into())
    }
}
