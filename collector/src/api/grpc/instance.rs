//! `InstanceDiscoveryService`: ids for processes, and their signs of life.

use rollcall_domain::{inventory::Generation, liveness::Signal};
use rollcall_proto::{
    common::Downstream,
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover, InstanceDiscoveryService,
    },
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Refusal, end, end_one},
    convert,
};
use crate::{
    metrics::{Call, Protocol},
    service::{
        Services,
        heartbeat::{self, Sign},
        register,
    },
};

#[derive(Debug)]
pub(super) struct Handler {
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    register_calls: Call,
    register_instance_calls: Call,
    heartbeat_calls: Call,
    register_recover_calls: Call,
}

impl Handler {
    pub(super) fn new(services: &Services) -> Self {
        let call = |name| services.metrics.call(Protocol::Grpc, name);
        Self {
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
            register_calls: call("InstanceDiscoveryService/register"),
            register_instance_calls: call("InstanceDiscoveryService/registerInstance"),
            heartbeat_calls: call("InstanceDiscoveryService/heartbeat"),
            register_recover_calls: call("InstanceDiscoveryService/registerRecover"),
        }
    }

    async fn assign(
        &self,
        calls: &Call,
        instance: ApplicationInstance,
        generation: Generation,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        let unassigned = ApplicationInstanceMapping {
            application_id: instance.application_id,
            application_instance_id: convert::NO_ID,
        };
        let assigned = async {
            let process = convert::process(instance, generation)?;
            let id = self.register.instance(process).await?;
            Ok(ApplicationInstanceMapping {
                application_instance_id: id.get(),
                ..unassigned
            })
        };
        end_one(calls, assigned.await, unassigned)
    }

    async fn renew(&self, heartbeat: ApplicationInstanceHeartbeat) -> Result<Downstream, Refusal> {
        let sign = Sign {
            instance: convert::instance_id(heartbeat.application_instance_id)?,
            application: None,
            signal: Signal::Heartbeat,
        };
        self.heartbeat.renew(sign).await?;
        Ok(Downstream {})
    }

    async fn recover(&self, recover: ApplicationInstanceRecover) -> Result<Downstream, Refusal> {
        self.register.recover(convert::recovery(recover)?).await?;
        Ok(Downstream {})
    }
}

#[async_trait]
impl InstanceDiscoveryService for Handler {
    async fn register(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        self.assign(&self.register_calls, request.into_inner(), Generation::V3)
            .await
    }

    async fn register_instance(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        self.assign(
            &self.register_instance_calls,
            request.into_inner(),
            Generation::V5,
        )
        .await
    }

    async fn heartbeat(
        &self,
        request: Request<ApplicationInstanceHeartbeat>,
    ) -> Result<Response<Downstream>, Status> {
        end(
            &self.heartbeat_calls,
            self.renew(request.into_inner()).await,
        )
    }

    async fn register_recover(
        &self,
        request: Request<ApplicationInstanceRecover>,
    ) -> Result<Response<Downstream>, Status> {
        end(
            &self.register_recover_calls,
            self.recover(request.into_inner()).await,
        )
    }
}
