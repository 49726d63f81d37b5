//! `NetworkAddressRegisterService`: ids for remote peers. 5.x only.

use std::sync::Arc;

use rollcall_domain::AddressId;
use rollcall_limits::{Peer, work};
use rollcall_proto::{
    common::KeyWithIntegerValue,
    network_address::{NetworkAddressMappings, NetworkAddresses},
};
use rollcall_service::{Services, register};
use tonic::Request;

use super::{
    call::{Ended, Refusal, end_some},
    convert,
    unary::{self, Calls},
};

/// Adds the call of this service.
pub(super) fn add(calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls.add(BATCH_REGISTER, &handler, |it, request| async move {
        it.batch_register(request).await
    })
}

const BATCH_REGISTER: &str = "NetworkAddressRegisterService/batchRegister";

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
}

/// The id of each address, with the address as its key; addresses without an id are left out.
pub(super) async fn map(
    register: &register::Handle,
    addresses: Vec<String>,
    peer: Option<Peer>,
) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
    let ids = register.for_peer(peer).addresses(&addresses).await?;
    let ids = ids.into_iter().map(|id| id.map(AddressId::get));
    Ok(work::convert(addresses.len(), || {
        convert::mappings(addresses, ids)
    }))
}

impl Handler {
    async fn batch_register(
        &self,
        request: Request<NetworkAddresses>,
    ) -> Ended<NetworkAddressMappings> {
        let peer = unary::peer(&request);
        let addresses = request.into_inner().addresses;
        let requested = addresses.len();
        let mappings = map(&self.register, addresses, peer).await;
        let reply = |address_ids| NetworkAddressMappings { address_ids };
        end_some(requested, mappings, reply)
    }
}
