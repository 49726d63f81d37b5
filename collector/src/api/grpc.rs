//! gRPC as agents from 3.2.6 on speak it (protocols/skywalking.md sections 1 and 6), and as collectors do ([`remote()`]).
//!
//! Each handler converts, calls one use case, and converts back; there is a file for each service that names somebody, and
//! one (`quiet`) for all others. Every spelling of a method is answered. What agents may rely on:
//!
//! * A key is echoed as it came, byte for byte. One without an id at the deadline is left out of the answer; only
//!   `applicationCodeRegister` is refused with `UNAVAILABLE` then, because its callers ask an empty answer again at once.
//! * Every call that names an instance renews its lease.
//! * A field that cannot be used is `INVALID_ARGUMENT` and named, a message that cannot be decoded is `INTERNAL`, one
//!   above the limit `OUT_OF_RANGE`: codes upon which no agent leaves for another collector. `UNKNOWN` is never sent.
//! * A stream is answered as soon as the agent has closed its half.

use axum::{Router, response::Response};
use rollcall_proto::{
    application::ApplicationRegisterServiceServer,
    instance::InstanceDiscoveryServiceServer,
    jvm::JvmMetricsServiceServer,
    management::{self as wire, v3},
    network_address::NetworkAddressRegisterServiceServer,
    register::{RegisterServer, ServiceInstancePingServer},
    remote::RemoteCommonServiceServer,
    service_name::ServiceNameDiscoveryServiceServer,
    trace::TraceSegmentServiceServer,
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};
use tonic_health::pb::health_server::HealthServer;

use super::Token;
use crate::{metrics::Protocol, service::Services};

mod application;
mod call;
mod convert;
mod health;
mod instance;
mod jvm;
mod management;
mod network_address;
mod ping;
mod quiet;
mod register;
mod remote;
mod service_name;
mod trace;

#[cfg(test)]
mod tests;

/// Limits of this face.
#[derive(Clone, Debug)]
pub struct Config {
    /// The largest message an agent may send, in bytes. Agents send whole dictionaries in one.
    pub max_message_size: usize,
    /// What agents have to send with every call; `PERMISSION_DENIED` without it. Health may be asked by anybody.
    pub token: Option<Token>,
}

/// Every service of this face. It has no fallback, so that it can be merged with other faces: see [`not_found`]. Streams
/// of telemetry, which agents may hold open for good, end with `stop`.
pub fn router(services: &Services, config: Config, stop: CancellationToken) -> Router {
    let health = HealthServer::new(health::Handler::new(services));
    let health = Routes::from(Router::new())
        .add_service(health)
        .into_axum_router();
    let agents = agents(services, config.max_message_size, stop);
    guarded(agents, services, config.token).merge(health)
}

/// What one call of [`remote()`] makes its listener hold at the most, in bytes.
pub const REMOTE_HELD: usize = remote::MAX_HELD;

/// What the other collectors call. They send the token of the agents where they share a listener with them; a listener of
/// their own is to be reached by nobody else. It has no fallback, and no route in common with [`router()`]. Streams end with
/// `stop`.
pub fn remote(services: &Services, token: Option<Token>, stop: CancellationToken) -> Router {
    let remote = RemoteCommonServiceServer::new(remote::Handler::new(services, stop));
    let remote = Routes::from(Router::new())
        .add_service(remote.max_decoding_message_size(remote::MAX_MESSAGE_SIZE))
        .into_axum_router();
    guarded(remote, services, token)
}

/// `router` for those who send the token, where there is one.
fn guarded(router: Router, services: &Services, token: Option<Token>) -> Router {
    match token {
        Some(token) => token.guard(router, services.metrics.denied(Protocol::Grpc), denied),
        None => router,
    }
}

fn denied() -> Response {
    Status::permission_denied("the metadata `authentication` is not the token of this collector")
        .into_http()
}

/// What agents call.
fn agents(services: &Services, limit: usize, stop: CancellationToken) -> Router {
    let application = ApplicationRegisterServiceServer::new(application::Handler::new(services));
    let instance = InstanceDiscoveryServiceServer::new(instance::Handler::new(services));
    let service_name = ServiceNameDiscoveryServiceServer::new(service_name::Handler::new(services));
    let network_address =
        NetworkAddressRegisterServiceServer::new(network_address::Handler::new(services));
    let jvm = JvmMetricsServiceServer::new(jvm::Handler::new(services));
    let trace = TraceSegmentServiceServer::new(trace::Handler::new(services, stop.clone()));
    let register = RegisterServer::new(register::Handler::new(services));
    let ping = ServiceInstancePingServer::new(ping::Handler::new(services));
    let management =
        wire::ManagementServiceServer::new(management::Handler::without_package(services));
    let management_v3 = v3::ManagementServiceServer::new(management::Handler::v3(services));
    Routes::from(quiet::router(services, limit, &stop))
        .add_service(application.max_decoding_message_size(limit))
        .add_service(instance.max_decoding_message_size(limit))
        .add_service(service_name.max_decoding_message_size(limit))
        .add_service(network_address.max_decoding_message_size(limit))
        .add_service(jvm.max_decoding_message_size(limit))
        .add_service(trace.max_decoding_message_size(limit))
        .add_service(register.max_decoding_message_size(limit))
        .add_service(ping.max_decoding_message_size(limit))
        .add_service(management.max_decoding_message_size(limit))
        .add_service(management_v3.max_decoding_message_size(limit))
        .into_axum_router()
}

/// Refuses a call of a service that this listener does not have: the fallback for gRPC.
pub async fn not_found() -> Response {
    Status::unimplemented("this collector does not serve this service").into_http()
}
