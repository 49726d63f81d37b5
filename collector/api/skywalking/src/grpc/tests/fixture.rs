//! A collector without sockets, with a store in memory.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use rollcall_proto::{
    application::Application, common::SpanType, instance::ApplicationInstance,
    service_name::ServiceNameElement,
};

use rollcall_server::face::{Token, no_such_service};
use rollcall_service::{Services, testing::Fixture};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tower::ServiceExt as _;

use crate::grpc::{Config, remote, router};

/// The largest message that these tests send successfully.
pub(super) const MAX_MESSAGE_SIZE: usize = 64 << 10;

pub(super) struct Collector {
    pub(super) services: Services,
    _fixture: Fixture,
}

impl Collector {
    /// A collector that assigns ids.
    pub(super) fn start() -> Self {
        Self::on(Fixture::start())
    }

    /// A collector whose writer is blocked, so that it assigns no new id.
    pub(super) fn stalled() -> Self {
        Self::on(Fixture::stalled(16))
    }

    /// A collector whose writer has ended.
    pub(super) fn stopped() -> Self {
        let mut fixture = Fixture::start();
        fixture.stop();
        Self::on(fixture)
    }

    fn on(fixture: Fixture) -> Self {
        Self {
            services: fixture.services.clone(),
            _fixture: fixture,
        }
    }

    pub(super) fn router(&self) -> Router {
        self.router_with(None, CancellationToken::new())
    }

    pub(super) fn router_with(&self, token: Option<Token>, stop: CancellationToken) -> Router {
        let config = Config {
            max_message_size: MAX_MESSAGE_SIZE,
            max_health_watchers: 16,
            token,
        };
        router(&self.services, config, stop)
    }

    /// All calls of agents and other collectors, for messages of any size; `UNIMPLEMENTED` for any other call.
    pub(super) fn open_router(&self) -> Router {
        let config = Config {
            max_message_size: 64 << 20,
            max_health_watchers: 16,
            token: None,
        };
        let stop = CancellationToken::new();
        router(&self.services, config, stop.clone())
            .merge(remote(&self.services, None, stop))
            .fallback(no_such_service)
    }
}

pub(super) fn codes<const N: usize>(codes: [&str; N]) -> Application {
    Application {
        application_code: codes.map(str::to_owned).into(),
    }
}

pub(super) fn instance(application: i32, uuid: &str) -> ApplicationInstance {
    ApplicationInstance {
        application_id: application,
        agent_uuid: uuid.to_owned(),
        ..ApplicationInstance::default()
    }
}

pub(super) fn name(application: i32, side: SpanType, name: &str) -> ServiceNameElement {
    ServiceNameElement {
        service_name: name.to_owned(),
        application_id: application,
        src_span_type: side.into(),
    }
}

/// One uncompressed message with its prefix.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// Makes a call with arbitrary bytes as body. Returns its status, from the trailers or else from the headers, and the bytes of
/// the answer.
pub(super) async fn call(
    router: Router,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (Code, Bytes) {
    let mut request = Request::post(path).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let status =
        |headers: &HeaderMap| Some(Code::from_bytes(headers.get("grpc-status")?.as_bytes()));
    let reported = status(response.headers());
    let answer = response.into_body().collect().await.unwrap();
    let reported = reported.or_else(|| status(answer.trailers()?));
    (reported.unwrap(), answer.to_bytes())
}
