//! `InstanceDiscoveryService`: ids and heartbeats of processes.

use std::sync::Arc;

use rollcall_domain::{inventory::Generation, liveness::Signal};
use rollcall_proto::{
    common::Downstream,
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover,
    },
};
use rollcall_service::{
    Services,
    heartbeat::{self, Sign, agent_time},
    register,
};
use tonic::Request;

use super::{
    call::{Ended, Refusal, end, end_one},
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
}

impl Handler {
    fn new(services: &Services) -> Self {
        Self {
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
        }
    }

    async fn assign(
        &self,
        request: Request<ApplicationInstance>,
        generation: Generation,
    ) -> Ended<ApplicationInstanceMapping> {
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
        end_one(assigned.await, unassigned)
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

impl Handler {
    async fn register(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Ended<ApplicationInstanceMapping> {
        self.assign(request, Generation::V3).await
    }

    async fn register_instance(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Ended<ApplicationInstanceMapping> {
        self.assign(request, Generation::V5).await
    }

    async fn heartbeat(&self, request: Request<ApplicationInstanceHeartbeat>) -> Ended<Downstream> {
        end(self.renew(request).await)
    }

    async fn register_recover(
        &self,
        request: Request<ApplicationInstanceRecover>,
    ) -> Ended<Downstream> {
        end(self.recover(request).await)
    }
}
