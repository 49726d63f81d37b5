//! `NetworkAddressRegisterService`: ids for remote peers. 5.x only.

use rollcall_domain::AddressId;
use rollcall_proto::network_address::{
    NetworkAddressMappings, NetworkAddressRegisterService, NetworkAddresses,
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Refusal, end_or},
    convert,
};
use crate::{
    metrics::{Call, Protocol},
    service::{Services, register},
};

#[derive(Debug)]
pub(super) struct Handler {
    register: register::Handle,
    batch_register_calls: Call,
}

impl Handler {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            register: services.register.clone(),
            batch_register_calls: services.metrics.call(
                Protocol::Grpc,
                "NetworkAddressRegisterService/batchRegister",
            ),
        }
    }

    async fn map(&self, addresses: Vec<String>) -> Result<NetworkAddressMappings, Refusal> {
        let ids = self.register.addresses(&addresses).await?;
        Ok(NetworkAddressMappings {
            address_ids: convert::mappings(
                addresses,
                ids.into_iter().map(|id| id.map(AddressId::get)),
            ),
        })
    }
}

#[async_trait]
impl NetworkAddressRegisterService for Handler {
    async fn batch_register(
        &self,
        request: Request<NetworkAddresses>,
    ) -> Result<Response<NetworkAddressMappings>, Status> {
        let mapping = self.map(request.into_inner().addresses).await;
        let unassigned = NetworkAddressMappings::default();
        end_or(&self.batch_register_calls, mapping, unassigned)
    }
}
