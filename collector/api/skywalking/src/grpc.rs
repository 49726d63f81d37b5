//! gRPC as agents from 3.2.6 on speak it (proto/docs/skywalking.md sections 1 and 6), and as collectors do ([`remote()`]).
//!
//! Each handler converts, calls one use case, and converts back; there is a file for each service that registers names, and
//! one (`quiet`) for all others. Every message is counted before it is decoded (`unary`, `quiet`). Every spelling of a method
//! is answered. What agents may rely on:
//!
//! * A key is echoed as it came, byte for byte. One without an id at the deadline is left out of the answer; only
//!   `applicationCodeRegister` is refused with `UNAVAILABLE` then, because its callers ask an empty answer again at once.
//! * Every call that names an instance renews its lease.
//! * A field that cannot be used is `INVALID_ARGUMENT` and named, a message that cannot be decoded is `INTERNAL`, one
//!   above the limit `OUT_OF_RANGE`: codes upon which no agent leaves for another collector. `UNKNOWN` is never sent.
//! * A message with too many elements, and one for which there is no memory, are `RESOURCE_EXHAUSTED`.
//! * A stream is answered as soon as the agent has closed its half.

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
mod quiet;
mod register;
mod remote;
mod service_name;
mod shape;
mod stream;
mod unary;

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

/// Every service of this face. It has no fallback, so that it can be merged with other faces. Streams
/// of telemetry, which agents may hold open for good, end with `stop`.
pub fn router(services: &Services, config: Config, stop: CancellationToken) -> Router {
    let health = HealthServer::new(health::Handler::new(services))
        .max_decoding_message_size(MAX_HEALTH_MESSAGE_SIZE);
    let health = Routes::from(Router::new())
        .add_service(health)
        .into_axum_router();
    let agents = agents(services, config.max_message_size, &stop);
    guarded(agents, services, config.token).merge(health)
}

/// A request of the health service is the name of a service, in bytes.
const MAX_HEALTH_MESSAGE_SIZE: usize = 4 << 10;

/// The largest message of [`remote()`], in bytes.
pub const MAX_REMOTE_MESSAGE_SIZE: usize = remote::MAX_MESSAGE_SIZE;

/// What the other collectors call. They send the token of the agents where they share a listener with them; a listener of
/// their own is to be reached by nobody else. It has no fallback, and no route in common with [`router()`]. Streams end with
/// `stop`.
pub fn remote(services: &Services, token: Option<Token>, stop: CancellationToken) -> Router {
    guarded(remote::router(services, stop), services, token)
}

/// The paths of the calls that are streams, without the slash in front: an agent may hold one open and send nothing.
pub fn streams() -> impl Iterator<Item = &'static str> {
    quiet::streams().chain([remote::CALL])
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
fn agents(services: &Services, max_message_size: usize, stop: &CancellationToken) -> Router {
    let calls = Calls::new(max_message_size, services.work.clone());
    let calls = application::add(calls, services);
    let calls = instance::add(calls, services);
    let calls = service_name::add(calls, services);
    let calls = network_address::add(calls, services);
    let calls = register::add(calls, services);
    let calls = ping::add(calls, services);
    let calls = goodbye::add(calls, services);
    let calls = management::add(calls, services);
    calls
        .router
        .merge(quiet::router(services, max_message_size, stop))
}
