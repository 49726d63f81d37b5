//! `grpc.health.v1.Health`: the result of `/readyz` for probes over gRPC.

use std::pin::Pin;

use futures_util::Stream;
use rollcall_service::{Services, readiness::Readiness};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

#[derive(Debug)]
pub(super) struct Handler {
    readiness: Readiness,
}

impl Handler {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            readiness: services.readiness.clone(),
        }
    }
}

#[async_trait]
impl Health for Handler {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// All services of a collector are ready together, so the requested name is ignored.
    async fn check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let status = if self.readiness.is_ready() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    /// Not implemented; the health checking protocol allows clients to go on without it.
    async fn watch(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("Watch is not supported; use Check"))
    }
}
