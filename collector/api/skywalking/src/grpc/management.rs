//! `ManagementService`: properties and keep-alives of instances of 8.0 and later, which are identified by names alone. Both
//! calls register an unknown instance, so agents recover from a lost store without any other call.

use std::sync::Arc;

use rollcall_domain::liveness::Signal;
use rollcall_domain::properties;
use rollcall_limits::Peer;
use rollcall_metrics::{Call, Protocol};
use rollcall_proto::management::{Commands, InstancePingPkg, InstanceProperties};
use rollcall_service::{
    Services, heartbeat,
    register::{self, InstanceName},
};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{
    call::end,
    convert,
    unary::{self, Calls},
};

/// Adds the calls of this service under both spellings: that of 8.0 to 8.3, and the later one.
pub(super) fn add(mut calls: Calls, services: &Services) -> Calls {
    for [report, keep_alive] in SPELLINGS {
        let handler = Arc::new(Handler::new(services, report, keep_alive));
        calls = calls
            .add(report, &handler, |it, request| async move {
                it.report_instance_properties(request).await
            })
            .add(keep_alive, &handler, |it, request| async move {
                it.keep_alive(request).await
            });
    }
    calls
}

const SPELLINGS: [[&str; 2]; 2] = [
    [
        "ManagementService/reportInstanceProperties",
        "ManagementService/keepAlive",
    ],
    [
        "skywalking.v3.ManagementService/reportInstanceProperties",
        "skywalking.v3.ManagementService/keepAlive",
    ],
];

/// The calls under one of the two spellings of the service.
#[derive(Debug)]
struct Handler {
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    report_instance_properties_calls: Call,
    keep_alive_calls: Call,
}

impl Handler {
    fn new(
        services: &Services,
        report_instance_properties: &'static str,
        keep_alive: &'static str,
    ) -> Self {
        let call = |name| services.metrics.call(Protocol::Grpc, name);
        Self {
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
            report_instance_properties_calls: call(report_instance_properties),
            keep_alive_calls: call(keep_alive),
        }
    }

    async fn report(
        &self,
        reported: &InstanceProperties,
        metadata: &MetadataMap,
        peer: Option<Peer>,
    ) -> Result<Commands, register::Error> {
        let name = InstanceName {
            service: &reported.service,
            instance: &reported.service_instance,
        };
        let pairs = convert::pairs(&reported.properties);
        let properties = properties::reported(pairs, convert::agent_version(metadata));
        self.register.for_peer(peer).named(name, properties).await?;
        Ok(Commands::default())
    }

    async fn renew(&self, request: &Request<InstancePingPkg>) -> Result<Commands, register::Error> {
        let heartbeat = self.heartbeat.for_peer(unary::peer(request));
        let ping = request.get_ref();
        let name = InstanceName {
            service: &ping.service,
            instance: &ping.service_instance,
        };
        heartbeat.renew_named(name, Signal::Heartbeat).await?;
        Ok(Commands::default())
    }

    async fn report_instance_properties(
        &self,
        request: Request<InstanceProperties>,
    ) -> Result<Response<Commands>, Status> {
        let peer = unary::peer(&request);
        let (metadata, _, reported) = request.into_parts();
        let commands = self.report(&reported, &metadata, peer).await;
        end(
            &self.report_instance_properties_calls,
            commands.map_err(Into::into),
        )
    }

    async fn keep_alive(
        &self,
        request: Request<InstancePingPkg>,
    ) -> Result<Response<Commands>, Status> {
        let commands = self.renew(&request).await;
        end(&self.keep_alive_calls, commands.map_err(Into::into))
    }
}
