//! `Register`: ids for the services, instances, endpoints and addresses of 6.0.0-beta to 7.0.0 agents. In the inventory these
//! are applications, instances, operations and addresses.
//!
//! Agents of this generation only compare an id with 0, so they accept negative ids (ARCHITECTURE.md).

use std::sync::Arc;

use rollcall_domain::{ApplicationId, InstanceId, liveness::Signal};
use rollcall_limits::{Peer, work};
use rollcall_proto::{
    common::KeyWithIntegerValue,
    register::{
        Commands, Endpoint, EndpointMapping, EndpointMappingElement, Endpoints, NetAddressMapping,
        NetAddresses, ServiceAndNetworkAddressMappings, ServiceInstance,
        ServiceInstanceRegisterMapping, ServiceInstances, ServiceRegisterMapping, Services,
    },
};
use rollcall_service::{
    self as service,
    heartbeat::{self, Sign},
    register,
};
use tonic::Request;

use super::{
    call::{Ended, Fault, Refusal, end, end_some},
    convert, network_address,
    unary::{self, Calls},
};

/// Adds the calls of this service.
pub(super) fn add(calls: Calls, services: &service::Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls
        .add(DO_SERVICE_REGISTER, &handler, |it, request| async move {
            it.do_service_register(request).await
        })
        .add(
            DO_SERVICE_INSTANCE_REGISTER,
            &handler,
            |it, request| async move { it.do_service_instance_register(request).await },
        )
        .add(DO_ENDPOINT_REGISTER, &handler, |it, request| async move {
            it.do_endpoint_register(request).await
        })
        .add(
            DO_NETWORK_ADDRESS_REGISTER,
            &handler,
            |it, request| async move { it.do_network_address_register(request).await },
        )
        .add(DO_MAPPING_REGISTER, &handler, |it, request| async move {
            it.do_service_and_network_address_mapping_register(request)
        })
}

const DO_SERVICE_REGISTER: &str = "Register/doServiceRegister";
const DO_SERVICE_INSTANCE_REGISTER: &str = "Register/doServiceInstanceRegister";
const DO_ENDPOINT_REGISTER: &str = "Register/doEndpointRegister";
const DO_NETWORK_ADDRESS_REGISTER: &str = "Register/doNetworkAddressRegister";
const DO_MAPPING_REGISTER: &str = "Register/doServiceAndNetworkAddressMappingRegister";

#[derive(Debug)]
struct Handler {
    register: register::Handle,
    heartbeat: heartbeat::Handle,
}

impl Handler {
    fn new(services: &service::Services) -> Self {
        Self {
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
        }
    }

    async fn map_services(
        &self,
        names: Vec<String>,
        peer: Option<Peer>,
    ) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        let ids = self.register.for_peer(peer).applications(&names).await?;
        let ids = ids.into_iter().map(|id| id.map(ApplicationId::get));
        Ok(work::convert(names.len(), || convert::mappings(names, ids)))
    }

    /// Registers the usable instances. Fails only if none is usable.
    async fn map_instances(
        &self,
        mut instances: Vec<ServiceInstance>,
        agent_version: Option<&str>,
        peer: Option<Peer>,
    ) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        let count = instances.len();
        let processes: Vec<_> = work::convert(count, || {
            convert::retain_usable(&mut instances, |it| {
                convert::service_id(it.service_id).err()
            })?;
            let process = |it| convert::service_instance(it, agent_version);
            Ok::<_, Fault>(instances.iter().flat_map(process).collect())
        })?;
        let ids = self.register.for_peer(peer).instances(&processes).await?;
        Ok(work::convert(count, || {
            drop(processes);
            let ids = ids.into_iter().map(|id| id.map(InstanceId::get));
            let uuids = instances.into_iter().map(|it| it.instance_uuid).collect();
            convert::mappings(uuids, ids)
        }))
    }

    /// Registers endpoints. After a reset, an agent still requests names that it used before, with its old service id. If no
    /// service has that id now, the endpoint is left out of the answer and not registered.
    async fn map_endpoints(
        &self,
        mut endpoints: Vec<Endpoint>,
        resettable: bool,
        peer: Option<Peer>,
    ) -> Result<Vec<EndpointMappingElement>, Refusal> {
        let count = endpoints.len();
        let operations: Vec<_> = work::convert(count, || {
            convert::retain_usable(&mut endpoints, |it| convert::endpoint(it).err())?;
            if resettable {
                endpoints.retain(|it| {
                    convert::service_id(it.service_id).is_ok_and(|id| self.register.knows(id))
                });
            }
            Ok::<_, Fault>(endpoints.iter().flat_map(convert::endpoint).collect())
        })?;
        let ids = self.register.for_peer(peer).operations(&operations).await?;
        Ok(work::convert(count, || {
            convert::endpoint_mappings(endpoints, ids)
        }))
    }
}

impl Handler {
    async fn do_service_register(
        &self,
        request: Request<Services>,
    ) -> Ended<ServiceRegisterMapping> {
        let peer = unary::peer(&request);
        let services = request.into_inner().services;
        let requested = services.len();
        let names = || services.into_iter().map(|it| it.service_name).collect();
        let names = work::convert(requested, names);
        let mappings = self.map_services(names, peer).await;
        let reply = |services| ServiceRegisterMapping { services };
        end_some(requested, mappings, reply)
    }

    async fn do_service_instance_register(
        &self,
        request: Request<ServiceInstances>,
    ) -> Ended<ServiceInstanceRegisterMapping> {
        let peer = unary::peer(&request);
        let (metadata, _, ServiceInstances { instances }) = request.into_parts();
        let requested = instances.len();
        let version = convert::agent_version(&metadata);
        let mappings = self.map_instances(instances, version, peer);
        let reply = |service_instances| ServiceInstanceRegisterMapping { service_instances };
        end_some(requested, mappings.await, reply)
    }

    async fn do_endpoint_register(&self, request: Request<Endpoints>) -> Ended<EndpointMapping> {
        let resettable = convert::is_resettable(request.metadata());
        let peer = unary::peer(&request);
        let endpoints = request.into_inner().endpoints;
        let requested = endpoints.len();
        let mappings = self.map_endpoints(endpoints, resettable, peer).await;
        let reply = |elements| EndpointMapping { elements };
        end_some(requested, mappings, reply)
    }

    async fn do_network_address_register(
        &self,
        request: Request<NetAddresses>,
    ) -> Ended<NetAddressMapping> {
        let peer = unary::peer(&request);
        let addresses = request.into_inner().addresses;
        let requested = addresses.len();
        let mappings = network_address::map(&self.register, addresses, peer).await;
        let reply = |address_ids| NetAddressMapping { address_ids };
        end_some(requested, mappings, reply)
    }

    /// Renews the lease of the instance. The mapping of addresses to services is topology, which the collector does not build.
    fn do_service_and_network_address_mapping_register(
        &self,
        request: Request<ServiceAndNetworkAddressMappings>,
    ) -> Ended<Commands> {
        let mappings = request.into_inner().mappings;
        work::convert(mappings.len(), || {
            for mapping in mappings {
                if let Some(instance) = InstanceId::new(mapping.service_instance_id) {
                    self.heartbeat.renew_known(Sign {
                        instance,
                        application: ApplicationId::new(mapping.service_id),
                        signal: Signal::Register,
                    });
                }
            }
        });
        end(Ok(Commands::default()))
    }
}
