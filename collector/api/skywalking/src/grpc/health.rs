//! `grpc.health.v1.Health`: the result of `/readyz` for probes over gRPC.
//!
//! All services of a collector are ready together: each has the status of the whole, whose name is empty. The name [`LIVENESS`]
//! belongs to no service. It is serving as long as the process answers, for supervisors that restart a process that does not.

use std::{collections::HashSet, pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _, stream};
use prometheus_client::metrics::gauge::Gauge;
use rollcall_service::{Services, readiness::Readiness};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

/// The service of this file.
pub(super) const SERVICE: &str = "grpc.health.v1.Health";

/// The call with which a client follows the status. The client ends its stream.
pub(super) const WATCH: &str = "grpc.health.v1.Health/Watch";

/// The name whose status does not depend on the readiness.
const LIVENESS: &str = "liveness";

#[derive(Debug)]
pub(super) struct Handler {
    readiness: Readiness,
    /// The names of the services.
    known: HashSet<&'static str>,
    places: Arc<Semaphore>,
    /// The most open streams of [`WATCH`].
    max_watchers: usize,
    watchers: Gauge,
    stop: CancellationToken,
}

/// The place of one stream, counted as long as this lives.
struct Place {
    _permit: OwnedSemaphorePermit,
    watchers: Gauge,
}

/// The state of a stream of [`WATCH`].
struct Watcher {
    is_ready: watch::Receiver<bool>,
    /// The status that was sent last.
    sent: Option<ServingStatus>,
    follows: Follows,
    stop: CancellationToken,
    _place: Place,
}

/// The source of the status of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    Readiness,
    /// It never changes.
    Nothing(ServingStatus),
}

impl Handler {
    /// Reports on the services with these names. At most `max_watchers` streams follow a status; they end with `stop`.
    pub(super) fn new(
        services: &Services,
        names: impl Iterator<Item = &'static str>,
        max_watchers: usize,
        stop: CancellationToken,
    ) -> Self {
        Self {
            readiness: services.readiness.clone(),
            known: names.chain(["", LIVENESS, SERVICE]).collect(),
            places: Arc::new(Semaphore::new(max_watchers)),
            max_watchers,
            watchers: services.metrics.health_watchers(max_watchers),
            stop,
        }
    }
}

impl Place {
    fn new(permit: OwnedSemaphorePermit, watchers: &Gauge) -> Self {
        watchers.inc();
        Self {
            _permit: permit,
            watchers: watchers.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.watchers.dec();
    }
}

impl Watcher {
    /// Waits for the next status that differs from the one that was sent. `None` when the collector drains.
    async fn next(mut self) -> Option<(ServingStatus, Self)> {
        loop {
            let status = match self.follows {
                Follows::Nothing(status) => status,
                Follows::Readiness => serving(*self.is_ready.borrow_and_update()),
            };
            if self.sent != Some(status) {
                self.sent = Some(status);
                return Some((status, self));
            }
            let stop = self.stop.clone();
            let changed = stop.run_until_cancelled(self.is_ready.changed());
            changed.await?.ok()?;
        }
    }
}

const fn serving(is_serving: bool) -> ServingStatus {
    if is_serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[async_trait]
impl Health for Handler {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The status of a service. Refused with `NOT_FOUND` if this collector has no service of this name.
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
        Ok(Response::new(response(serving(is_serving))))
    }

    /// The status of a service, now and after every change, until the collector drains. The status of an unknown name is
    /// `SERVICE_UNKNOWN`, as the health checking protocol requires.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_full| {
            Status::resource_exhausted(format!(
                "{} streams watch the health of this collector already (agent_gRPC.gRPC.max_health_watchers): use Check, or \
                 raise the key",
                self.max_watchers
            ))
        })?;
        let name = &*request.get_ref().service;
        let follows = match name {
            LIVENESS => Follows::Nothing(ServingStatus::Serving),
            name if self.known.contains(name) => Follows::Readiness,
            _ => Follows::Nothing(ServingStatus::ServiceUnknown),
        };
        let watcher = Watcher {
            is_ready: self.readiness.subscribe(),
            sent: None,
            follows,
            stop: self.stop.clone(),
            _place: Place::new(permit, &self.watchers),
        };
        let statuses = stream::unfold(watcher, Watcher::next);
        Ok(Response::new(Box::pin(
            statuses.map(|status| Ok(response(status))),
        )))
    }
}
