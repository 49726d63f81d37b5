//! A collector without sockets, on a store in memory.

use std::{sync::Arc, thread, time::Duration};

use axum::Router;
use rollcall_domain::{
    inventory::{Allocator, Limits},
    liveness::{Lessor, Terms},
    membership::View,
};
use rollcall_proto::{
    application::Application, common::SpanType, instance::ApplicationInstance,
    service_name::ServiceNameElement,
};
use tokio::sync::watch;

use crate::{
    api::grpc::{Config, router},
    clock::Clock,
    service::{self, Foundation, Services, register, sweep, write_back},
    storage::memory::Memory,
};

/// The largest message that these tests send and have accepted.
pub(super) const MAX_MESSAGE_SIZE: usize = 64 << 10;

pub(super) struct Collector {
    pub(super) services: Services,
    writer: Option<register::Writer>,
}

impl Collector {
    /// One that assigns ids.
    pub(super) fn start() -> Self {
        let mut collector = Self::stalled();
        let writer = collector.writer.take().unwrap();
        thread::spawn(move || writer.run().unwrap());
        collector
    }

    /// One whose writer does not come to its work, so that nothing new is assigned.
    pub(super) fn stalled() -> Self {
        let minute = Duration::from_secs(60);
        let config = service::Config {
            register: register::Config {
                queue_capacity: 16,
                deadline: Duration::from_secs(1),
                max_key_bytes: 255,
                batch_rows: 1024,
            },
            sweep: sweep::Config {
                tick: minute,
                limit: 1024,
                stall: minute,
                grace: minute,
            },
            write_back: write_back::Config {
                interval: minute,
                chunk: 1024,
            },
            event_backlog: 16,
        };
        let foundation = Foundation {
            clock: Clock::start(),
            allocator: Allocator::new(Limits { adopted: 100 }),
            lessor: Lessor::new(Terms {
                silent_after: minute,
                down_after: 2 * minute,
            }),
            storage: Box::new(Memory::default()),
            members: watch::channel(Arc::new(View::default())).1,
        };
        let (services, workers) = service::build(&config, foundation);
        Self {
            services,
            writer: Some(workers.writer),
        }
    }

    /// One whose writer has ended.
    pub(super) fn stopped() -> Self {
        let mut collector = Self::stalled();
        collector.writer = None;
        collector
    }

    pub(super) fn router(&self) -> Router {
        let max_message_size = MAX_MESSAGE_SIZE;
        router(&self.services, Config { max_message_size })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.services.register.stop();
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
