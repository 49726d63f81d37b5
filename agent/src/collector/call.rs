//! The agent's gRPC calls: those of SkyWalking 5.x under their 5.x names, `registerRecover` of 3.2.6, and Rollcall's own goodbye.

use std::{error::Error as _, sync::Arc, time::Duration};

use http::Uri;
use rollcall_proto::{
    application::{Application, ApplicationRegisterServiceClient},
    common::{self, KeyWithIntegerValue},
    goodbye::{AgentClient, LeaveRequest},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceRecover,
        InstanceDiscoveryServiceClient, OsInfo,
    },
    network_address::{NetworkAddressRegisterServiceClient, NetworkAddresses},
    service_name::{
        ServiceNameCollection, ServiceNameDiscoveryServiceClient, ServiceNameElement,
        ServiceNameMappingElement,
    },
};
use tonic::{Code, Request, Response, Status};

use super::transport::Transport;
use crate::{
    AddressId, ApplicationId, InstanceId, OperationId, SpanType, clock, dictionary::Operation,
    process::Process,
};

/// The reason why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The connection is unusable: upstream's agents reconnect at this status code (proto/docs/skywalking.md section 4.3).
    #[error("{0}")]
    Lost(String),
    /// The collector answered that it cannot serve the call at present. This ends the connection, unless the call requested ids for
    /// names: then other calls may still succeed.
    #[error("{0}")]
    Refused(String),
    /// The collector does not know the ids of the request.
    #[error("{0}")]
    NotFound(String),
    /// The collector does not implement this call.
    #[error("{0}")]
    Unsupported(String),
    /// The collector did not answer before the deadline.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// Any other failure; the connection stays usable.
    #[error("{0}")]
    Other(String),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let text = format!("{:?}: {}", status.code(), status.message());
        // A status with a source does not come from the collector: the connection failed.
        let is_answer = status.source().is_none();
        match status.code() {
            Code::Unavailable | Code::ResourceExhausted if is_answer => Self::Refused(text),
            Code::Unavailable
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::ResourceExhausted
            | Code::Unknown => Self::Lost(text),
            Code::NotFound => Self::NotFound(text),
            Code::Unimplemented => Self::Unsupported(text),
            Code::Ok
            | Code::Cancelled
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Internal
            | Code::DataLoss => Self::Other(text),
        }
    }
}

/// The collector at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    applications: ApplicationRegisterServiceClient<Transport>,
    instances: InstanceDiscoveryServiceClient<Transport>,
    operations: ServiceNameDiscoveryServiceClient<Transport>,
    addresses: NetworkAddressRegisterServiceClient<Transport>,
    goodbye: AgentClient<Transport>,
    deadline: Duration,
}

impl Collector {
    /// Creates the clients of one connection. `deadline` limits every call and is also sent to the collector.
    pub(crate) fn new(transport: Transport, authority: Uri, deadline: Duration) -> Self {
        let origin = authority;
        Self {
            applications: ApplicationRegisterServiceClient::with_origin(
                transport.clone(),
                origin.clone(),
            ),
            instances: InstanceDiscoveryServiceClient::with_origin(
                transport.clone(),
                origin.clone(),
            ),
            operations: ServiceNameDiscoveryServiceClient::with_origin(
                transport.clone(),
                origin.clone(),
            ),
            addresses: NetworkAddressRegisterServiceClient::with_origin(
                transport.clone(),
                origin.clone(),
            ),
            goodbye: AgentClient::with_origin(transport, origin),
            deadline,
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        request
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_elapsed) => Err(CallError::Silent(self.deadline)),
        }
    }

    /// `None` if the collector has not assigned an id yet.
    pub(crate) async fn register_application(
        &self,
        code: &str,
    ) -> Result<Option<ApplicationId>, CallError> {
        let request = self.request(Application {
            application_code: vec![code.to_owned()],
        });
        let call = self.applications.clone();
        let mapping = self
            .within(async move { { call }.application_code_register(request).await })
            .await?;
        let own = mapping
            .application
            .into_iter()
            .find(|entry| entry.key == code);
        Ok(own.and_then(|entry| ApplicationId::from_wire(entry.value)))
    }

    /// `None` if the collector has not assigned an id yet.
    pub(crate) async fn register_instance(
        &self,
        application: ApplicationId,
        uuid: &str,
        process: &Process,
    ) -> Result<Option<InstanceId>, CallError> {
        let request = self.request(ApplicationInstance {
            application_id: application.get(),
            agent_uuid: uuid.to_owned(),
            register_time: clock::wall_millis(),
            osinfo: Some(process.into()),
        });
        let mut call = self.instances.clone();
        let mapping = self.within(call.register_instance(request)).await?;
        Ok(InstanceId::from_wire(mapping.application_instance_id))
    }

    pub(crate) async fn recover(
        &self,
        application: ApplicationId,
        instance: InstanceId,
        process: &Process,
    ) -> Result<(), CallError> {
        let request = self.request(ApplicationInstanceRecover {
            application_id: application.get(),
            application_instance_id: instance.get(),
            register_time: clock::wall_millis(),
            osinfo: Some(process.into()),
        });
        let mut call = self.instances.clone();
        self.within(call.register_recover(request)).await?;
        Ok(())
    }

    pub(crate) async fn heartbeat(&self, instance: InstanceId) -> Result<(), CallError> {
        let request = self.request(ApplicationInstanceHeartbeat {
            application_instance_id: instance.get(),
            heartbeat_time: clock::wall_millis(),
        });
        let mut call = self.instances.clone();
        self.within(call.heartbeat(request)).await?;
        Ok(())
    }

    /// Announces the planned stop of the instance. Only Rollcall's collectors implement this call.
    pub(crate) async fn leave(
        &self,
        application: ApplicationId,
        instance: InstanceId,
        uuid: &str,
        reason: &str,
    ) -> Result<(), CallError> {
        let request = self.request(LeaveRequest {
            application_id: application.get(),
            application_instance_id: instance.get(),
            agent_uuid: uuid.to_owned(),
            reason: reason.to_owned(),
        });
        let mut call = self.goodbye.clone();
        self.within(call.leave(request)).await?;
        Ok(())
    }

    /// The ids of those names to which the collector has assigned one.
    pub(crate) async fn operations(
        &self,
        application: ApplicationId,
        names: &[Operation],
    ) -> Result<Vec<(Operation, OperationId)>, CallError> {
        let element = |operation: &Operation| ServiceNameElement {
            service_name: operation.name.to_string(),
            application_id: application.get(),
            src_span_type: common::SpanType::from(operation.span).into(),
        };
        let elements = names.iter().map(element).collect();
        let request = self.request(ServiceNameCollection { elements });
        let mut call = self.operations.clone();
        let mapping = self.within(call.discovery(request)).await?;
        Ok(mapping
            .elements
            .into_iter()
            .filter_map(operation_of)
            .collect())
    }

    /// The ids of those addresses to which the collector has assigned one.
    pub(crate) async fn addresses(
        &self,
        addresses: &[Arc<str>],
    ) -> Result<Vec<(Arc<str>, AddressId)>, CallError> {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        let request = self.request(NetworkAddresses { addresses });
        let mut call = self.addresses.clone();
        let mapping = self.within(call.batch_register(request)).await?;
        let pair = |entry: KeyWithIntegerValue| {
            Some((entry.key.into(), AddressId::from_wire(entry.value)?))
        };
        Ok(mapping.address_ids.into_iter().filter_map(pair).collect())
    }
}

/// The operation and its id in an entry of the answer, which repeats the name.
fn operation_of(entry: ServiceNameMappingElement) -> Option<(Operation, OperationId)> {
    let element = entry.element?;
    let operation = Operation {
        span: element.src_span_type().into(),
        name: element.service_name.into(),
    };
    Some((operation, OperationId::from_wire(entry.service_id)?))
}

impl From<&Process> for OsInfo {
    fn from(process: &Process) -> Self {
        Self {
            os_name: process.os_name.to_owned(),
            hostname: process.host_name.clone(),
            process_no: process.number,
            ipv4s: process.ipv4s.clone(),
        }
    }
}

impl From<SpanType> for common::SpanType {
    fn from(span: SpanType) -> Self {
        match span {
            SpanType::Entry => Self::Entry,
            SpanType::Exit => Self::Exit,
            SpanType::Local => Self::Local,
        }
    }
}

impl From<common::SpanType> for SpanType {
    fn from(span: common::SpanType) -> Self {
        match span {
            common::SpanType::Entry => Self::Entry,
            common::SpanType::Exit => Self::Exit,
            common::SpanType::Local => Self::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_upstreams_five_status_codes_end_a_connection() {
        let classes = |code: i32| CallError::from(Status::new(Code::from_i32(code), ""));
        let of = |class: fn(&CallError) -> bool| -> Vec<Code> {
            let codes = (0..17).filter(|code| class(&classes(*code)));
            codes.map(Code::from_i32).collect()
        };
        assert_eq!(
            of(|error| matches!(error, CallError::Lost(_))),
            [Code::Unknown, Code::PermissionDenied, Code::Unauthenticated]
        );
        assert_eq!(
            of(|error| matches!(error, CallError::Refused(_))),
            [Code::ResourceExhausted, Code::Unavailable]
        );
    }

    #[test]
    fn a_broken_connection_is_not_an_answer() {
        let mut status = Status::unavailable("connection closed");
        status.set_source(Arc::new(std::io::Error::other("closed")));
        assert!(matches!(CallError::from(status), CallError::Lost(_)));
    }
}
