//! The gRPC calls of the fake collector.

use std::{future::pending, sync::Arc};

use rollcall_proto::{
    application::{Application, ApplicationMapping, ApplicationRegisterService},
    common::{Downstream, KeyWithIntegerValue},
    goodbye::{Agent, LeaveRequest, LeaveResponse},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover, InstanceDiscoveryService,
    },
    network_address::{NetworkAddressMappings, NetworkAddressRegisterService, NetworkAddresses},
    service_name::{
        ServiceNameCollection, ServiceNameDiscoveryService, ServiceNameMappingCollection,
        ServiceNameMappingElement,
    },
};
use tonic::{Request, Response, Status};

use super::{super::Watched, Behaviour, Seen, State};

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) state: Arc<Watched<State>>,
}

impl Service {
    /// Records the call. Returns whether the answer has ids.
    async fn record<T>(
        &self,
        request: Request<T>,
        seen: impl FnOnce(T) -> Seen,
    ) -> Result<bool, Status> {
        let metadata = request.metadata().clone();
        let seen = seen(request.into_inner());
        let behaviour = self.state.change(|state| {
            let behaviour = state
                .behaviours
                .get(&seen.call())
                .copied()
                .unwrap_or_default();
            state.metadata.push(metadata);
            state.seen.push(seen);
            behaviour
        });
        match behaviour {
            Behaviour::Answer => Ok(true),
            Behaviour::NoId => Ok(false),
            Behaviour::Fail(code) => Err(Status::new(code, "as the test requires")),
            Behaviour::Hang => pending().await,
        }
    }

    fn ids<'a>(&self, kind: &str, keys: impl Iterator<Item = &'a str>) -> Vec<i32> {
        self.state
            .change(|state| keys.map(|key| state.id(kind, key)).collect())
    }

    fn mappings(&self, kind: &str, keys: &[String]) -> Vec<KeyWithIntegerValue> {
        let ids = self.ids(kind, keys.iter().map(String::as_str));
        let pairs = keys.iter().cloned().zip(ids);
        pairs
            .map(|(key, value)| KeyWithIntegerValue { key, value })
            .collect()
    }
}

#[tonic::async_trait]
impl ApplicationRegisterService for Service {
    async fn register(
        &self,
        _: Request<Application>,
    ) -> Result<Response<ApplicationMapping>, Status> {
        Err(Status::unimplemented("not a call of this agent"))
    }

    async fn application_code_register(
        &self,
        request: Request<Application>,
    ) -> Result<Response<ApplicationMapping>, Status> {
        let codes = request.get_ref().application_code.clone();
        let assigned = self.record(request, Seen::Application).await?;
        let application = if assigned {
            self.mappings("application", &codes)
        } else {
            Vec::new()
        };
        Ok(Response::new(ApplicationMapping { application }))
    }
}

#[tonic::async_trait]
impl InstanceDiscoveryService for Service {
    async fn register(
        &self,
        _: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        Err(Status::unimplemented("not a call of this agent"))
    }

    async fn register_instance(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        let instance = request.get_ref().clone();
        let assigned = self.record(request, Seen::Instance).await?;
        let id = if assigned {
            self.ids("instance", [&*instance.agent_uuid].into_iter())[0]
        } else {
            0
        };
        Ok(Response::new(ApplicationInstanceMapping {
            application_id: instance.application_id,
            application_instance_id: id,
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<ApplicationInstanceHeartbeat>,
    ) -> Result<Response<Downstream>, Status> {
        self.record(request, Seen::Heartbeat).await?;
        Ok(Response::new(Downstream {}))
    }

    async fn register_recover(
        &self,
        request: Request<ApplicationInstanceRecover>,
    ) -> Result<Response<Downstream>, Status> {
        self.record(request, Seen::Recover).await?;
        Ok(Response::new(Downstream {}))
    }
}

#[tonic::async_trait]
impl ServiceNameDiscoveryService for Service {
    async fn discovery(
        &self,
        request: Request<ServiceNameCollection>,
    ) -> Result<Response<ServiceNameMappingCollection>, Status> {
        let elements = request.get_ref().elements.clone();
        let assigned = self.record(request, Seen::Operations).await?;
        let keys: Vec<_> = elements
            .iter()
            .map(|e| {
                format!(
                    "{} {} {}",
                    e.application_id, e.src_span_type, e.service_name
                )
            })
            .collect();
        let ids = self.ids("operation", keys.iter().map(String::as_str));
        let pairs = ids.into_iter().zip(elements).filter(|_| assigned);
        let elements = pairs
            .map(|(service_id, element)| ServiceNameMappingElement {
                service_id,
                element: Some(element),
            })
            .collect();
        Ok(Response::new(ServiceNameMappingCollection { elements }))
    }
}

#[tonic::async_trait]
impl NetworkAddressRegisterService for Service {
    async fn batch_register(
        &self,
        request: Request<NetworkAddresses>,
    ) -> Result<Response<NetworkAddressMappings>, Status> {
        let addresses = request.get_ref().addresses.clone();
        let assigned = self.record(request, Seen::Addresses).await?;
        let address_ids = if assigned {
            self.mappings("address", &addresses)
        } else {
            Vec::new()
        };
        Ok(Response::new(NetworkAddressMappings { address_ids }))
    }
}

#[tonic::async_trait]
impl Agent for Service {
    async fn leave(
        &self,
        request: Request<LeaveRequest>,
    ) -> Result<Response<LeaveResponse>, Status> {
        self.record(request, Seen::Leave).await?;
        Ok(Response::new(LeaveResponse {}))
    }
}
