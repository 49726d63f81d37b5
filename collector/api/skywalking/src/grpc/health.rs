//! `grpc.health.v1.Health`: the result of `/readyz` for probes over gRPC.
//!
//! All services of a collector are ready together: each has the status of the whole (the empty name). The name [`LIVENESS`]
//! belongs to no service: it is serving as long as the process answers, for a supervisor that restarts what does not.

use std::{collections::HashSet, pin::Pin};

use futures_util::Stream;
use rollcall_service::{Services, readiness::Readiness};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

/// The service of this file.
pub(super) const SERVICE: &str = "grpc.health.v1.Health";

/// The name whose status does not depend on the readiness.
const LIVENESS: &str = "liveness";

#[derive(Debug)]
pub(super) struct Handler {
    readiness: Readiness,
    /// The names of the services.
    known: HashSet<&'static str>,
}

impl Handler {
    /// Reports on the services with these names.
    pub(super) fn new(services: &Services, names: impl Iterator<Item = &'static str>) -> Self {
        Self {
            readiness: services.readiness.clone(),
            known: names.chain(["", LIVENESS, SERVICE]).collect(),
        }
    }
}

#[async_trait]
impl Health for Handler {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The status of a service; `NOT_FOUND` if this collector has none of this name.
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &*request.get_ref().service;
        if !self.known.contains(name) {
            return Err(Status::not_found(
                "this collector has no service of that name; the empty name stands for all",
            ));
        }
        let is_serving = name == LIVENESS || self.readiness.is_ready();
        let status = if is_serving {
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
