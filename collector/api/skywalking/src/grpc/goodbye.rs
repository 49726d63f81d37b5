//! `rollcall.Agent`: the calls of Rollcall's agents beyond SkyWalking's protocol. `Leave` announces a planned stop.

use std::sync::Arc;

use rollcall_metrics::{Call, Outcome, Protocol};
use rollcall_proto::goodbye::{Agent, LeaveRequest, LeaveResponse};
use rollcall_service::{
    Services,
    heartbeat::{self, Goodbye},
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Refusal, end},
    convert,
    unary::Calls,
};

/// The most characters of the reason in the log.
const REASON_CHARS: usize = 200;

/// Adds the call of this service.
pub(super) fn add(calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls.add(LEAVE, &handler, |it, request| async move {
        it.leave(request).await
    })
}

const LEAVE: &str = "rollcall.Agent/Leave";

#[derive(Debug)]
struct Handler {
    heartbeat: heartbeat::Handle,
    leave_calls: Call,
}

impl Handler {
    fn new(services: &Services) -> Self {
        Self {
            heartbeat: services.heartbeat.clone(),
            leave_calls: services.metrics.call(Protocol::Grpc, LEAVE),
        }
    }

    async fn take(&self, request: &LeaveRequest) -> Result<bool, Refusal> {
        let goodbye = Goodbye {
            application: convert::application_id(request.application_id)?,
            instance: convert::instance_id(request.application_instance_id)?,
            uuid: &request.agent_uuid,
        };
        let has_left = self.heartbeat.leave(goodbye).await?;
        if has_left {
            let reason: String = request.reason.chars().take(REASON_CHARS).collect();
            tracing::debug!(instance.id = goodbye.instance.get(), ?reason, "goodbye");
        }
        Ok(has_left)
    }
}

#[async_trait]
impl Agent for Handler {
    async fn leave(
        &self,
        request: Request<LeaveRequest>,
    ) -> Result<Response<LeaveResponse>, Status> {
        match self.take(request.get_ref()).await {
            Ok(false) => {
                self.leave_calls.count(Outcome::Invalid);
                Err(Status::not_found(
                    "no instance has this application id, instance id and UUID",
                ))
            }
            taken => end(&self.leave_calls, taken.map(|_left| LeaveResponse {})),
        }
    }
}
