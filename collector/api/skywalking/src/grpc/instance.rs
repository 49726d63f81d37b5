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
        .add(REGISTER, &handler, |it, request| {
            it.assign(request, Generation::V3)
        })
        .add(REGISTER_INSTANCE, &handler, |it, request| {
            it.assign(request, Generation::V5)
        })
        .add(HEARTBEAT, &handler, Handler::heartbeat)
        .add(REGISTER_RECOVER, &handler, Handler::register_recover)
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
}

// The request is taken apart before the future begins, so that it takes no room there.
impl Handler {
    fn assign(
        self: Arc<Self>,
        request: Request<ApplicationInstance>,
        generation: Generation,
    ) -> impl Future<Output = Ended<ApplicationInstanceMapping>> + Send {
        let register = self.register.for_peer(unary::peer(&request));
        let instance = request.into_inner();
        let unassigned = ApplicationInstanceMapping {
            application_id: instance.application_id,
            application_instance_id: convert::NO_ID,
        };
        let skew = self
            .heartbeat
            .read_clock(agent_time(instance.register_time));
        let process = convert::process(instance, generation);
        async move {
            let assigned = async {
                let id = register.instance(process?).await?;
                self.heartbeat.report_clock(id, skew);
                Ok(ApplicationInstanceMapping {
                    application_instance_id: id.get(),
                    ..unassigned
                })
            };
            end_one(assigned.await, unassigned)
        }
    }

    fn heartbeat(
        self: Arc<Self>,
        request: Request<ApplicationInstanceHeartbeat>,
    ) -> impl Future<Output = Ended<Downstream>> + Send {
        let handle = self.heartbeat.for_peer(unary::peer(&request));
        let heartbeat = request.into_inner();
        async move { end(renew(handle, heartbeat).await) }
    }

    fn register_recover(
        self: Arc<Self>,
        request: Request<ApplicationInstanceRecover>,
    ) -> impl Future<Output = Ended<Downstream>> + Send {
        let register = self.register.for_peer(unary::peer(&request));
        let recovery = convert::recovery(request.into_inner());
        async move {
            let recovered = async { Ok(register.recover(recovery?).await?) };
            end(recovered.await.map(|()| Downstream {}))
        }
    }
}

async fn renew(
    handle: heartbeat::Handle,
    heartbeat: ApplicationInstanceHeartbeat,
) -> Result<Downstream, Refusal> {
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
