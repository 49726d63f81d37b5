//! `ApplicationRegisterService`: ids for application codes.

use std::sync::Arc;

use rollcall_domain::ApplicationId;
use rollcall_limits::{Peer, work};
use rollcall_proto::{
    application::{Application, ApplicationMapping},
    common::KeyWithIntegerValue,
};
use rollcall_service::{Services, register};
use tonic::Request;

use super::{
    call::{Ended, Fault, Refusal, end, end_some},
    convert,
    unary::{self, Calls},
};

/// Adds the calls of this service.
pub(super) fn add(calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls.add(REGISTER, &handler, Handler::register).add(
        APPLICATION_CODE_REGISTER,
        &handler,
        Handler::application_code_register,
    )
}

const REGISTER: &str = "ApplicationRegisterService/register";
const APPLICATION_CODE_REGISTER: &str = "ApplicationRegisterService/applicationCodeRegister";

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

    async fn map_all(
        &self,
        codes: Vec<String>,
        peer: Option<Peer>,
    ) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        let ids = self.register.for_peer(peer).applications(&codes).await?;
        let ids = ids.into_iter().map(|id| id.map(ApplicationId::get));
        Ok(work::convert(codes.len(), || convert::mappings(codes, ids)))
    }

    /// A 5.x server returns only the mapping of the last code, and its agents send only one. So only the last code is registered.
    async fn map_last(
        &self,
        mut codes: Vec<String>,
        peer: Option<Peer>,
    ) -> Result<ApplicationMapping, Refusal> {
        let code = work::convert(codes.len(), move || codes.pop());
        let code = code.ok_or(Fault {
            field: "applicationCode",
            problem: "is missing",
        })?;
        let id = self.register.for_peer(peer).application(&code).await?;
        Ok(ApplicationMapping {
            application: vec![KeyWithIntegerValue {
                key: code,
                value: id.get(),
            }],
        })
    }
}

// The request is taken apart before the future begins, so that it takes no room there.
impl Handler {
    fn register(
        self: Arc<Self>,
        request: Request<Application>,
    ) -> impl Future<Output = Ended<ApplicationMapping>> + Send {
        let peer = unary::peer(&request);
        let codes = request.into_inner().application_code;
        async move {
            let requested = codes.len();
            let mappings = self.map_all(codes, peer).await;
            let reply = |application| ApplicationMapping { application };
            end_some(requested, mappings, reply)
        }
    }

    fn application_code_register(
        self: Arc<Self>,
        request: Request<Application>,
    ) -> impl Future<Output = Ended<ApplicationMapping>> + Send {
        let peer = unary::peer(&request);
        let codes = request.into_inner().application_code;
        async move { end(self.map_last(codes, peer).await) }
    }
}
