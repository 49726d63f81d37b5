//! `NetworkAddressRegisterService`: ids for remote peers. 5.x only.

use rollcall_domain::AddressId;
use rollcall_proto::{
    common::KeyWithIntegerValue,
    network_address::{NetworkAddressMappings, NetworkAddressRegisterService, NetworkAddresses},
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

    async fn map(&self, addresses: Vec<String>) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        let ids = self.register.addresses(&addresses).await?;
        let ids = ids.into_iter().map(|id| id.map(AddressId::get));
        Ok(convert::mappings(addresses, ids))
    }
}

#[async_trait]
impl NetworkAddressRegisterService for Handler {
    async fn batch_register(
        &self,
        request: Request<NetworkAddresses>,
    ) -> Result<Response<NetworkAddressMappings>, Status> {
        let addresses = request.into_inner().addresses;
        let asked = addresses.len();
        let mappings = self.map(addresses).await;
        let reply = |address_ids| NetworkAddressMappings { address_ids };
        end_some(&self.batch_register_calls, asked, mappings, reply)
    }
}
