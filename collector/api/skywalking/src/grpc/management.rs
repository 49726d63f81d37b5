//! `ManagementService`: properties and keep-alives of instances of 8.0 and later, which are identified by names alone. Both
//! calls register an unknown instance, so agents recover from a lost store without any other call.

use std::sync::Arc;

use rollcall_domain::liveness::Signal;
use rollcall_domain::properties;
use rollcall_limits::Peer;
use rollcall_proto::management::{Commands, InstancePingPkg, InstanceProperties};
use rollcall_service::{
    Services, heartbeat,
    register::{self, InstanceName},
};
use tonic::{Request, metadata::MetadataMap};

use super::{
    call::{Ended, end},
    convert,
    unary::{self, Calls},
};

/// Adds the calls of this service under both spellings: that of 8.0 to 8.3, and the later one.
pub(super) fn add(mut calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    for [report, keep_alive] in SPELLINGS {
        calls = calls
            .add(report, &handler, |it, request| async move {
                it.report_instance_properties(request).await
            })
            .add(keep_alive, &handler, |it, request| async move {
                it.keep_alive(&request).await
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
    ) -> Ended<Commands> {
        let peer = unary::peer(&request);
        let (metadata, _, reported) = request.into_parts();
        let commands = self.report(&reported, &metadata, peer).await;
        end(commands.map_err(Into::into))
    }

    async fn keep_alive(&self, request: &Request<InstancePingPkg>) -> Ended<Commands> {
        let commands = self.renew(request).await;
        end(commands.map_err(Into::into))
    }
}
