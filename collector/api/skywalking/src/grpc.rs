//! gRPC for agents from 3.2.6 on (proto/docs/skywalking.md sections 1 and 6), and for other collectors ([`remote()`]).
//!
//! Each handler converts the request, calls one use case, and converts the result. Each service that registers names has a file
//! of its own; `telemetry` serves all others. Every message is counted before it is decoded (`unary`, `telemetry`). Every
//! spelling of a method is served. Agents may rely on the following:
//!
//! * A key is echoed byte for byte. A key without an id at the deadline is left out of the answer. The one exception is
//!   `applicationCodeRegister`, which is then refused with `UNAVAILABLE`, because its callers repeat the request at once after an
//!   empty answer.
//! * Every call that names an instance renews its lease.
//! * An unusable field is refused with `INVALID_ARGUMENT`, which names the field; an undecodable message with `INTERNAL`; and a
//!   message above the size limit with `OUT_OF_RANGE`. No agent changes its collector on these codes. `UNKNOWN` is never sent.
//! * A message with too many elements, or without memory to decode it, is refused with `RESOURCE_EXHAUSTED`.
//! * A stream is answered as soon as the agent closes its half.

use axum::{Router, response::Response};
use rollcall_metrics::Protocol;
use rollcall_server::face::Token;
use rollcall_service::Services;
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};
use tonic_health::pb::health_server::HealthServer;

use self::unary::Calls;

mod application;
mod call;
mod convert;
mod goodbye;
mod health;
mod instance;
mod management;
mod network_address;
mod ping;
mod reflection;
mod register;
mod remote;
mod service_name;
mod shape;
mod stream;
mod telemetry;
mod unary;

#[cfg(test)]
mod tests;

/// Limits of this face.
#[derive(Clone, Debug)]
pub struct Config {
    /// The largest message of an agent, in bytes. Agents send whole dictionaries in one message.
    pub max_message_size: usize,
    /// The most streams that follow the health of this collector; further ones are refused.
    pub max_health_watchers: usize,
    /// The token that agents and tools must send with every call. A call without it is refused with `PERMISSION_DENIED`; health
    /// checks need no token.
    pub token: Option<Token>,
}

/// Every service of this face. It has no fallback, so it can be merged with other faces. Telemetry streams, which agents may
/// hold open indefinitely, end with `stop`.
pub fn router(services: &Services, config: Config, stop: CancellationToken) -> Router {
    let (agents, paths) = agents(services, config.max_message_size, &stop);
    let served = paths.into_iter().chain(telemetry::paths());
    let served: Vec<_> = served.chain(reflection::PATHS).map(service).collect();
    let reflection = reflection::router(served.iter().copied().chain([health::SERVICE]), &stop);
    let watchers = config.max_health_watchers;
    let health = health::Handler::new(services, served.into_iter(), watchers, stop);
    let health = HealthServer::new(health).max_decoding_message_size(MAX_HEALTH_MESSAGE_SIZE);
    let health = Routes::from(Router::new())
        .add_service(health)
        .into_axum_router();
    guarded(agents.merge(reflection), services, config.token).merge(health)
}

/// The service of a call.
fn service(path: &'static str) -> &'static str {
    path.split_once('/')
        .map_or(path, |(service, _call)| service)
}

/// The largest health request, in bytes. It contains only the name of a service.
const MAX_HEALTH_MESSAGE_SIZE: usize = 4 << 10;

/// The largest message of [`remote()`], in bytes.
pub const MAX_REMOTE_MESSAGE_SIZE: usize = remote::MAX_MESSAGE_SIZE;

/// The calls of other collectors, which send the agents' token. The router has no fallback and shares no route with
/// [`router()`]. Streams end with `stop`.
pub fn remote(services: &Services, token: Option<Token>, stop: CancellationToken) -> Router {
    guarded(remote::router(services, stop), services, token)
}

/// The paths of the streaming calls, without the leading slash: an agent may hold such a stream open and send nothing.
pub fn streams() -> impl Iterator<Item = &'static str> {
    telemetry::streams().chain([remote::CALL, health::WATCH])
}

/// Guards `router` with the token, if one is configured.
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

/// The calls of agents, and the paths of those that are not telemetry.
fn agents(
    services: &Services,
    max_message_size: usize,
    stop: &CancellationToken,
) -> (Router, Vec<&'static str>) {
    let calls = calls(services, max_message_size);
    let telemetry = telemetry::router(services, max_message_size, stop);
    (calls.router.merge(telemetry), calls.paths)
}

/// The calls of agents that are not telemetry.
fn calls(services: &Services, max_message_size: usize) -> Calls {
    let calls = Calls::new(
        max_message_size,
        services.work.clone(),
        services.metrics.clone(),
    );
    let calls = application::add(calls, services);
    let calls = instance::add(calls, services);
    let calls = service_name::add(calls, services);
    let calls = network_address::add(calls, services);
    let calls = register::add(calls, services);
    let calls = ping::add(calls, services);
    let calls = goodbye::add(calls, services);
    management::add(calls, services)
}
