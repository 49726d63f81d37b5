//! `ServiceNameDiscoveryService`: ids for operation names.

use std::sync::Arc;

use rollcall_limits::{Peer, work};
use rollcall_metrics::{Call, Protocol};
use rollcall_proto::service_name::{
    ServiceNameCollection, ServiceNameDiscoveryService, ServiceNameElement,
    ServiceNameMappingCollection, ServiceNameMappingElement,
};
use rollcall_service::{Services, register};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Fault, Refusal, end_some},
    convert,
    unary::{self, Calls},
};

/// Adds the call of this service.
pub(super) fn add(calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls.add(DISCOVERY, &handler, |it, request| async move {
        it.discovery(request).await
    })
}

const DISCOVERY: &str = "ServiceNameDiscoveryService/discovery";

#[derive(Debug)]
struct Handler {
    register: register::Handle,
    discovery_calls: Call,
}

impl Handler {
    fn new(services: &Services) -> Self {
        Self {
            register: services.register.clone(),
            discovery_calls: services.metrics.call(Protocol::Grpc, DISCOVERY),
        }
    }

    async fn map(
        &self,
        mut elements: Vec<ServiceNameElement>,
        peer: Option<Peer>,
    ) -> Result<Vec<ServiceNameMappingElement>, Refusal> {
        let count = elements.len();
        let operations: Vec<_> = work::convert(count, || {
            convert::retain_usable(&mut elements, |it| convert::operation(it).err())?;
            Ok::<_, Fault>(elements.iter().flat_map(convert::operation).collect())
        })?;
        let ids = self.register.for_peer(peer).operations(&operations).await?;
        Ok(work::convert(count, || {
            convert::operation_mappings(elements, ids)
        }))
    }
}

#[async_trait]
impl ServiceNameDiscoveryService for Handler {
    async fn discovery(
        &self,
        request: Request<ServiceNameCollection>,
    ) -> Result<Response<ServiceNameMappingCollection>, Status> {
        let peer = unary::peer(&request);
        let elements = request.into_inner().elements;
        let requested = elements.len();
        let mappings = self.map(elements, peer).await;
        let reply = |elements| ServiceNameMappingCollection { elements };
        end_some(&self.discovery_calls, requested, mappings, reply)
    }
}
