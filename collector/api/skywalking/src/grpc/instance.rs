//! `InstanceDiscoveryService`: ids and heartbeats of processes.

use std::sync::Arc;

use rollcall_domain::{inventory::Generation, liveness::Signal};
use rollcall_metrics::{Call, Protocol};
use rollcall_proto::{
    common::Downstream,
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover, InstanceDiscoveryService,
    },
};
use rollcall_service::{
    Services,
    heartbeat::{self, Sign, agent_time},
    register,
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Refusal, end, end_one},
    convert,
    unary::{self, Calls},
};

/// Adds the calls of this service.
pub(super) fn add(calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls
        .add(REGISTER, &handler, |it, request| async move {
            it.register(request).await
        })
        .add(REGISTER_INSTANCE, &handler, |it, request| async move {
            it.register_instance(request).await
        })
        .add(HEARTBEAT, &handler, |it, request| async move {
            it.heartbeat(request).await
        })
        .add(REGISTER_RECOVER, &handler, |it, request| async move {
            it.register_recover(request).await
        })
}

const REGISTER: &str = "InstanceDiscoveryService/register";
const REGISTER_INSTANCE: &str = "InstanceDiscoveryService/registerInstance";
const HEARTBEAT: &str = "InstanceDiscoveryService/heartbeat";
const REGISTER_RECOVER: &str = "InstanceDiscoveryService/registerRecover";

#[derive(Debug)]
struct Handler {
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    register_calls: Call,
    register_instance_calls: Call,
    heartbeat_calls: Call,
    register_recover_calls: Call,
}

impl Handler {
    fn new(services: &Services) -> Self {
        let call = |name| services.metrics.call(Protocol::Grpc, name);
        Self {
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
            register_calls: call(REGISTER),
            register_instance_calls: call(REGISTER_INSTANCE),
            heartbeat_calls: call(HEARTBEAT),
            register_recover_calls: call(REGISTER_RECOVER),
        }
    }

    async fn assign(
        &self,
        calls: &Call,
        request: Request<ApplicationInstance>,
        generation: Generation,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        let register = self.register.for_peer(unary::peer(&request));
        let instance = request.into_inner();
        let unassigned = ApplicationInstanceMapping {
            application_id: instance.application_id,
            application_instance_id: convert::NO_ID,
        };
        let assigned = async {
            let skew = self
                .heartbeat
                .read_clock(agent_time(instance.register_time));
            let process = convert::process(instance, generation)?;
            let id = register.instance(process).await?;
            self.heartbeat.report_clock(id, skew);
            Ok(ApplicationInstanceMapping {
                application_instance_id: id.get(),
                ..unassigned
            })
        };
        end_one(calls, assigned.await, unassigned)
    }

    async fn renew(
        &self,
        request: Request<ApplicationInstanceHeartbeat>,
    ) -> Result<Downstream, Refusal> {
        let handle = self.heartbeat.for_peer(unary::peer(&request));
        let heartbeat = request.into_inner();
        let sign = Sign {
            instance: convert::instance_id(heartbeat.application_instance_id)?,
            application: None,
            signal: Signal::Heartbeat,
        };
        let skew = handle.read_clock(agent_time(heartbeat.heartbeat_time));
        handle.renew(sign).await?;
        handle.report_clock(sign.instance, skew);
        Ok(Downstream {})
    }

    async fn recover(
        &self,
        request: Request<ApplicationInstanceRecover>,
    ) -> Result<Downstream, Refusal> {
        let register = self.register.for_peer(unary::peer(&request));
        let recovery = convert::recovery(request.into_inner())?;
        register.recover(recovery).await?;
        Ok(Downstream {})
    }
}

#[async_trait]
impl InstanceDiscoveryService for Handler {
    async fn register(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        self.assign(&self.register_calls, request, Generation::V3)
            .await
    }

    async fn register_instance(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        self.assign(&self.register_instance_calls, request, Generation::V5)
            .await
    }

    async fn heartbeat(
        &self,
        request: Request<ApplicationInstanceHeartbeat>,
    ) -> Result<Response<Downstream>, Status> {
        end(&self.heartbeat_calls, self.renew(request).await)
    }

    async fn register_recover(
        &self,
        request: Request<ApplicationInstanceRecover>,
    ) -> Result<Response<Downstream>, Status> {
        end(&self.register_recover_calls, self.recover(request).await)
    }
}
