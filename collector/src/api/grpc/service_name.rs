//! `ServiceNameDiscoveryService`: ids for operation names.

use rollcall_proto::service_name::{
    ServiceNameCollection, ServiceNameDiscoveryService, ServiceNameElement,
    ServiceNameMappingCollection, ServiceNameMappingElement,
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Refusal, end_some},
    convert,
};
use crate::{
    metrics::{Call, Protocol},
    service::{Services, register},
};

#[derive(Debug)]
pub(super) struct Handler {
    register: register::Handle,
    discovery_calls: Call,
}

impl Handler {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            register: services.register.clone(),
            discovery_calls: services
                .metrics
                .call(Protocol::Grpc, "ServiceNameDiscoveryService/discovery"),
        }
    }

    async fn map(
        &self,
        mut elements: Vec<ServiceNameElement>,
    ) -> Result<Vec<ServiceNameMappingElement>, Refusal> {
        convert::retain_usable(&mut elements, |it| convert::operation(it).err())?;
        let operations: Vec<_> = elements.iter().flat_map(convert::operation).collect();
        let ids = self.register.operations(&operations).await?;
        Ok(convert::operation_mappings(elements, ids))
    }
}

#[async_trait]
impl ServiceNameDiscoveryService for Handler {
    async fn discovery(
        &self,
        request: Request<ServiceNameCollection>,
    ) -> Result<Response<ServiceNameMappingCollection>, Status> {
        let elements = request.into_inner().elements;
        let asked = elements.len();
        let mappings = self.map(elements).await;
        let reply = |elements| ServiceNameMappingCollection { elements };
        end_some(&self.discovery_calls, asked, mappings, reply)
    }
}
