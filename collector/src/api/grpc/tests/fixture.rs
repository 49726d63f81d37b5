//! A collector without sockets, on a store in memory.

use axum::Router;
use rollcall_proto::{
    application::Application, common::SpanType, instance::ApplicationInstance,
    service_name::ServiceNameElement,
};

use crate::{
    api::grpc::{Config, router},
    service::{Services, testing::Fixture},
};

/// The largest message that these tests send and have accepted.
pub(super) const MAX_MESSAGE_SIZE: usize = 64 << 10;

pub(super) struct Collector {
    pub(super) services: Services,
    _fixture: Fixture,
}

impl Collector {
    /// One that assigns ids.
    pub(super) fn start() -> Self {
        Self::on(Fixture::start())
    }

    /// One whose writer does not come to its work, so that nothing new is assigned.
    pub(super) fn stalled() -> Self {
        Self::on(Fixture::stalled(16))
    }

    /// One whose writer has ended.
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
        let max_message_size = MAX_MESSAGE_SIZE;
        router(&self.services, Config { max_message_size })
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
