//! `ApplicationRegisterService`: ids for application codes.

use rollcall_domain::ApplicationId;
use rollcall_proto::{
    application::{Application, ApplicationMapping, ApplicationRegisterService},
    common::KeyWithIntegerValue,
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Fault, Refusal, end, end_some},
    convert,
};
use crate::{
    metrics::{Call, Protocol},
    service::{Services, register},
};

#[derive(Debug)]
pub(super) struct Handler {
    register: register::Handle,
    register_calls: Call,
    application_code_register_calls: Call,
}

impl Handler {
    pub(super) fn new(services: &Services) -> Self {
        let call = |name| services.metrics.call(Protocol::Grpc, name);
        Self {
            register: services.register.clone(),
            register_calls: call("ApplicationRegisterService/register"),
            application_code_register_calls: call(
                "ApplicationRegisterService/applicationCodeRegister",
            ),
        }
    }

    async fn map_all(&self, codes: Vec<String>) -> Result<Vec<KeyWithIntegerValue>, Refusal> {
        let ids = self.register.applications(&codes).await?;
        let ids = ids.into_iter().map(|id| id.map(ApplicationId::get));
        Ok(convert::mappings(codes, ids))
    }

    /// A 5.x reader makes one mapping of several, the last, and sends one code: the last is what it means.
    async fn map_last(&self, mut codes: Vec<String>) -> Result<ApplicationMapping, Refusal> {
        let code = codes.pop().ok_or(Fault {
            field: "applicationCode",
            problem: "is missing",
        })?;
        let id = self.register.application(&code).await?;
        Ok(ApplicationMapping {
            application: vec![KeyWithIntegerValue {
                key: code,
                value: id.get(),
            }],
        })
    }
}

#[async_trait]
impl ApplicationRegisterService for Handler {
    async fn register(
        &self,
        request: Request<Application>,
    ) -> Result<Response<ApplicationMapping>, Status> {
        let codes = request.into_inner().application_code;
        let asked = codes.len();
        let mappings = self.map_all(codes).await;
        let reply = |application| ApplicationMapping { application };
        end_some(&self.register_calls, asked, mappings, reply)
    }

    async fn application_code_register(
        &self,
        request: Request<Application>,
    ) -> Result<Response<ApplicationMapping>, Status> {
        let mapping = self.map_last(request.into_inner().application_code).await;
        end(&self.application_code_register_calls, mapping)
    }
}
