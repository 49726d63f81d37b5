//! `ManagementService`: instances of 8.0 and later tell their properties and that they live, by names alone. Whoever is not
//! known is registered, so that agents need nothing else after a store was lost.

use rollcall_domain::liveness::Signal;
use rollcall_proto::management::{self, Commands, InstancePingPkg, InstanceProperties, v3};
use tonic::{Request, Response, Status, async_trait, metadata::MetadataMap};

use super::{call::end, convert};
use crate::{
    metrics::{Call, Protocol},
    properties,
    service::{
        Services, heartbeat,
        register::{self, InstanceName},
    },
};

/// The calls under one of the two spellings of the service.
#[derive(Debug)]
pub(super) struct Handler {
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    report_instance_properties_calls: Call,
    keep_alive_calls: Call,
}

impl Handler {
    /// For agents of 8.0 to 8.3.
    pub(super) fn without_package(services: &Services) -> Self {
        Self::new(
            services,
            "ManagementService/reportInstanceProperties",
            "ManagementService/keepAlive",
        )
    }

    /// For later agents.
    pub(super) fn v3(services: &Services) -> Self {
        Self::new(
            services,
            "skywalking.v3.ManagementService/reportInstanceProperties",
            "skywalking.v3.ManagementService/keepAlive",
        )
    }

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
        told: &InstanceProperties,
        metadata: &MetadataMap,
    ) -> Result<Commands, register::Error> {
        let name = InstanceName {
            service: &told.service,
            instance: &told.service_instance,
        };
        let pairs = convert::pairs(&told.properties);
        let properties = properties::told(pairs, convert::agent_version(metadata));
        self.register.named(name, properties).await?;
        Ok(Commands::default())
    }

    async fn renew(&self, ping: &InstancePingPkg) -> Result<Commands, register::Error> {
        let name = InstanceName {
            service: &ping.service,
            instance: &ping.service_instance,
        };
        self.heartbeat.renew_named(name, Signal::Heartbeat).await?;
        Ok(Commands::default())
    }

    async fn answer_report(
        &self,
        request: Request<InstanceProperties>,
    ) -> Result<Response<Commands>, Status> {
        let (metadata, _, told) = request.into_parts();
        let commands = self.report(&told, &metadata).await;
        end(
            &self.report_instance_properties_calls,
            commands.map_err(Into::into),
        )
    }

    async fn answer_keep_alive(
        &self,
        request: Request<InstancePingPkg>,
    ) -> Result<Response<Commands>, Status> {
        let commands = self.renew(request.get_ref()).await;
        end(&self.keep_alive_calls, commands.map_err(Into::into))
    }
}

#[async_trait]
impl management::ManagementService for Handler {
    async fn report_instance_properties(
        &self,
        request: Request<InstanceProperties>,
    ) -> Result<Response<Commands>, Status> {
        self.answer_report(request).await
    }

    async fn keep_alive(
        &self,
        request: Request<InstancePingPkg>,
    ) -> Result<Response<Commands>, Status> {
        self.answer_keep_alive(request).await
    }
}

#[async_trait]
impl v3::ManagementService for Handler {
    async fn report_instance_properties(
        &self,
        request: Request<InstanceProperties>,
    ) -> Result<Response<Commands>, Status> {
        self.answer_report(request).await
    }

    async fn keep_alive(
        &self,
        request: Request<InstancePingPkg>,
    ) -> Result<Response<Commands>, Status> {
        self.answer_keep_alive(request).await
    }
}
