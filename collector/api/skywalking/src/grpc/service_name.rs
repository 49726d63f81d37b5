//! `ServiceNameDiscoveryService`: ids for operation names.

use std::sync::Arc;

use rollcall_limits::{Peer, work};
use rollcall_proto::service_name::{
    ServiceNameCollection, ServiceNameElement, ServiceNameMappingCollection,
    ServiceNameMappingElement,
};
use rollcall_service::{Services, register};
use tonic::Request;

use super::{
    call::{Ended, Fault, Refusal, end_some},
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
}

impl Handler {
    fn new(services: &Services) -> Self {
        Self {
            register: services.register.clone(),
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

impl Handler {
    async fn discovery(
        &self,
        request: Request<ServiceNameCollection>,
    ) -> Ended<ServiceNameMappingCollection> {
        let peer = unary::peer(&request);
        let elements = request.into_inner().elements;
        let requested = elements.len();
        let mappings = self.map(elements, peer).await;
        let reply = |elements| ServiceNameMappingCollection { elements };
        end_some(requested, mappings, reply)
    }
}
