//! `Register`: ids for the services, instances, endpoints and addresses of 6.0.0-beta to 7.0.0 agents. They are the
//! inventory's applications, instances, operations and addresses.
//!
//! Agents of this generation compare an id with 0 only, and so take negative ones (ARCHITECTURE.md).

use rollcall_domain::{AddressId, ApplicationId, InstanceId, liveness::Signal};
use rollcall_proto::{
    common::KeyWithIntegerValue,
    register::{
        Commands, Endpoint, EndpointMapping, EndpointMappingElement, Endpoints, NetAddressMapping,
        NetAddresses, Register, ServiceAndNetworkAddressMappings, ServiceInstance,
        ServiceInstanceRegisterMapping, ServiceInstances, ServiceRegisterMapping, Services,
    },
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Refusal, end, end_some},
    convert,
};
use crate::{
    metrics::{Call, Protocol},
    service::{self, heartbeat, register},
};

#[derive(Debug)]
pub(super) struct Handler {
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    service_calls: Call,
    instance_calls: Call,
    endpoint_calls: Call,
    address_calls: Call,
    mapping_calls: Call,
}

impl Handler {
    pub(super) fn new(services: &service::Services) -> Self {
        let call = |name| services.metrics.call(Protocol::Grpc, name);
        Self {
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
            service_calls: call("Register/doServiceRegister"),
            instance_calls: call("Register/doServiceInstanceRegister"),
            endpoint_calls: call("Register/doEndpointRegister"),
            address_calls: call("Register/doNetworkAddressRegister"),
            mapping_calls: call("Register/doServiceAndNetworkAddressMappingRegister"),
        }
    }

    async fn map_services(&self, names: Vec<String>) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        let ids = self.register.applications(&names).await?;
        let ids = ids.into_iter().map(|id| id.map(ApplicationId::get));
        Ok(convert::mappings(names, ids))
    }

    /// Answers those that can be; it is an error only if none can.
    async fn map_instances(
        &self,
        mut instances: Vec<ServiceInstance>,
        agent_version: Option<&str>,
    ) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        convert::retain_usable(&mut instances, |it| {
            convert::service_id(it.service_id).err()
        })?;
        let processes: Vec<_> = instances
            .iter()
            .flat_map(|it| convert::service_instance(it, agent_version))
            .collect();
        let ids = self.register.instances(&processes).await?;
        let ids = ids.into_iter().map(|id| id.map(InstanceId::get));
        let uuids = instances.into_iter().map(|it| it.instance_uuid).collect();
        Ok(convert::mappings(uuids, ids))
    }

    /// After a reset an agent still asks for names that it had met before, with the service's id of that time. If that is
    /// nobody's now it is left out, so that it does not come into being.
    async fn map_endpoints(
        &self,
        mut endpoints: Vec<Endpoint>,
        resettable: bool,
    ) -> Result<Vec<EndpointMappingElement>, Refusal> {
        convert::retain_usable(&mut endpoints, |it| convert::endpoint(it).err())?;
        if resettable {
            endpoints.retain(|it| {
                convert::service_id(it.service_id).is_ok_and(|id| self.register.knows(id))
            });
        }
        let operations: Vec<_> = endpoints.iter().flat_map(convert::endpoint).collect();
        let ids = self.register.operations(&operations).await?;
        Ok(convert::endpoint_mappings(endpoints, ids))
    }

    async fn map_addresses(
        &self,
        addresses: Vec<String>,
    ) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        let ids = self.register.addresses(&addresses).await?;
        let ids = ids.into_iter().map(|id| id.map(AddressId::get));
        Ok(convert::mappings(addresses, ids))
    }
}

#[async_trait]
impl Register for Handler {
    async fn do_service_register(
        &self,
        request: Request<Services>,
    ) -> Result<Response<ServiceRegisterMapping>, Status> {
        let services = request.into_inner().services;
        let names: Vec<_> = services.into_iter().map(|it| it.service_name).collect();
        let asked = names.len();
        let mappings = self.map_services(names).await;
        let reply = |services| ServiceRegisterMapping { services };
        end_some(&self.service_calls, asked, mappings, reply)
    }

    async fn do_service_instance_register(
        &self,
        request: Request<ServiceInstances>,
    ) -> Result<Response<ServiceInstanceRegisterMapping>, Status> {
        let (metadata, _, ServiceInstances { instances }) = request.into_parts();
        let asked = instances.len();
        let mappings = self.map_instances(instances, convert::agent_version(&metadata));
        let reply = |service_instances| ServiceInstanceRegisterMapping { service_instances };
        end_some(&self.instance_calls, asked, mappings.await, reply)
    }

    async fn do_endpoint_register(
        &self,
        request: Request<Endpoints>,
    ) -> Result<Response<EndpointMapping>, Status> {
        let resettable = convert::is_resettable(request.metadata());
        let endpoints = request.into_inner().endpoints;
        let asked = endpoints.len();
        let mappings = self.map_endpoints(endpoints, resettable).await;
        let reply = |elements| EndpointMapping { elements };
        end_some(&self.endpoint_calls, asked, mappings, reply)
    }

    async fn do_network_address_register(
        &self,
        request: Request<NetAddresses>,
    ) -> Result<Response<NetAddressMapping>, Status> {
        let addresses = request.into_inner().addresses;
        let asked = addresses.len();
        let mappings = self.map_addresses(addresses).await;
        let reply = |address_ids| NetAddressMapping { address_ids };
        end_some(&self.address_calls, asked, mappings, reply)
    }

    /// Which address stands for which service concerns the topology, which nobody draws here. The instance lives.
    async fn do_service_and_network_address_mapping_register(
        &self,
        request: Request<ServiceAndNetworkAddressMappings>,
    ) -> Result<Response<Commands>, Status> {
        for mapping in request.into_inner().mappings {
            if let Some(instance) = InstanceId::new(mapping.service_instance_id) {
                self.heartbeat.renew_known(instance, Signal::Register);
            }
        }
        end(&self.mapping_calls, Ok(Commands::default()))
    }
}
