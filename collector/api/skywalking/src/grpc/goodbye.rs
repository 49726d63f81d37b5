//! `rollcall.Agent`: the calls of Rollcall's agents beyond SkyWalking's protocol. `Leave` announces a planned stop.

use std::sync::Arc;

use rollcall_proto::goodbye::{LeaveRequest, LeaveResponse};
use rollcall_service::{
    Services,
    heartbeat::{self, Goodbye},
};
use tonic::{Request, Status};

use super::{
    call::{Ended, Refusal, end},
    convert,
    unary::Calls,
};

/// The most characters of the reason in the log.
const REASON_CHARS: usize = 200;

/// Adds the call of this service.
pub(super) fn add(calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls.add(LEAVE, &handler, |it, request| async move {
        it.leave(&request).await
    })
}

const LEAVE: &str = "rollcall.Agent/Leave";

#[derive(Debug)]
struct Handler {
    heartbeat: heartbeat::Handle,
}

impl Handler {
    fn new(services: &Services) -> Self {
        Self {
            heartbeat: services.heartbeat.clone(),
        }
    }

    async fn take(&self, request: &LeaveRequest) -> Result<LeaveResponse, Refusal> {
        let goodbye = Goodbye {
            application: convert::application_id(request.application_id)?,
            instance: convert::instance_id(request.application_instance_id)?,
            uuid: &request.agent_uuid,
        };
        if !self.heartbeat.leave(goodbye).await? {
            let problem = "no instance has this application id, instance id and UUID";
            return Err(Refusal::Unusable(Status::not_found(problem)));
        }
        let reason: String = request.reason.chars().take(REASON_CHARS).collect();
        tracing::debug!(instance.id = goodbye.instance.get(), ?reason, "goodbye");
        Ok(LeaveResponse {})
    }

    async fn leave(&self, request: &Request<LeaveRequest>) -> Ended<LeaveResponse> {
        end(self.take(request.get_ref()).await)
    }
}
