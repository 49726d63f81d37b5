//! The reasons for a refusal, and one table of answers for each generation.
//!
//! v1 answers with the status that the reference's exception carries, and with the text of 1.4, `caused: <text>;`. (The packaged
//! 1.4.8 answers every refusal with 500 by mistake, and 2.5 sends the status and a text without `caused:`.) Clients check for 404,
//! for words within the text, or for any failure. v2 and v3 answer with a code and two texts in JSON.

use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header::ALLOW},
};
use rollcall_domain::catalog::{Full, InvalidName, ServiceKey};

use super::body;
use crate::auth::Denied;

mod catalog;
mod text;
mod v1;
mod v2;

/// The generation of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    V1,
    V2,
    V3,
}

/// The reason for a refusal. Nothing was changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// A parameter is missing; `kind` is the Java type that v2 and v3 name.
    Missing {
        name: &'static str,
        kind: &'static str,
    },
    /// A text that is not a number.
    Number(String),
    /// A text that is not a port.
    Port { name: &'static str, given: String },
    /// A text that is longer than its limit.
    TooLong { name: &'static str, most: usize },
    /// A name that is not valid.
    Name(InvalidName),
    /// A service that is not written as `group@@name`.
    ServiceFormat,
    /// A service written as `@@name`.
    EmptyGroup,
    /// A weight outside 0 to 10,000.
    Weight,
    /// Metadata that is neither JSON nor pairs.
    Metadata(String),
    /// A `beat` that is not the JSON of an instance.
    Beat(String),
    /// Contradictory terms in the metadata.
    BeatInterval,
    /// There is no such service.
    NoService { at: At, key: ServiceKey },
    /// The service has no instance in the cluster.
    NoInstances { cluster: String, key: ServiceKey },
    /// The service has instances, but not this one.
    NoMatch,
    /// There is no instance to change.
    NoInstance,
    /// As [`Fault::NoInstance`], with the endpoint in the text, as in 1.4.
    NotExist(String),
    /// A health checker that is not JSON.
    Checker(String),
    /// The service has no such cluster.
    NoCluster(String),
    /// The service exists already.
    Exists(ServiceKey),
    /// The service has instances.
    NotEmpty(ServiceKey),
    /// A selector of an unknown type.
    SelectorType,
    /// A selector with an invalid expression.
    Selector,
    /// The cluster is probed, so no client may set the health of its instances.
    CheckWorking { key: ServiceKey, cluster: String },
    /// A value that is not valid for a switch.
    Switch(String),
    /// There is no client with this id.
    NoClient(String),
    /// There is no such namespace.
    NoNamespace(String),
    /// The namespace exists already.
    NamespaceExists(String),
    /// A namespace id that is not valid.
    Namespace(String),
    /// The caller may not do this.
    Denied(Denied),
    /// The collector does not know all instances yet.
    Loading,
    /// An operator has set a status that does not admit the call.
    Status(String),
    /// A call of the reference's old cluster protocol.
    Raft,
    /// A limit is reached.
    Full(Full),
    /// The body is larger than the limit.
    TooLarge { limit: usize },
    /// The form cannot be read.
    Form(String),
    /// The call contradicts existing data.
    Conflict(String),
    /// The collector cannot answer now.
    Unavailable(String),
    /// The store refused the change.
    Store(String),
    /// There is no such call.
    Unknown,
    /// The path has calls, but none with this method. It has these, separated by commas.
    Method(String),
    /// A call of the configuration centre, which this server does not have.
    Configuration,
}

/// The call that did not find its service. Each call has its own text for this case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Get,
    Update,
    Delete,
    Detail,
    UpdateInstance,
    Cluster,
    Catalog,
    Health,
    Patch,
    Statuses,
}

/// The call that is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) generation: Generation,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) now_millis: i64,
}

impl Fault {
    /// The answer of the call's generation.
    pub(super) fn answer(&self, call: Call<'_>) -> Response<Body> {
        let framework =
            |status, message: &str| body::framework(status, message, call.path, call.now_millis);
        match self {
            Self::Denied(Denied::Busy) => {
                body::text(StatusCode::SERVICE_UNAVAILABLE, Denied::Busy.to_string())
            }
            Self::Denied(denied) => framework(StatusCode::FORBIDDEN, &denied.to_string()),
            Self::Loading => body::text(StatusCode::SERVICE_UNAVAILABLE, LOADING),
            Self::Status(status) => {
                let text = format!("server is {status}now, please try again later!");
                body::text(StatusCode::SERVICE_UNAVAILABLE, text)
            }
            Self::Raft => {
                let text = "caused: old raft protocol already stop;";
                body::text(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
            Self::Configuration => framework(StatusCode::NOT_IMPLEMENTED, CONFIGURATION),
            Self::Unknown => unknown(call),
            Self::Method(_) if call.generation == Generation::V1 => unknown(call),
            Self::Method(allowed) => {
                let message = format!("Method '{}' is not supported.", call.method);
                let mut answer = framework(StatusCode::METHOD_NOT_ALLOWED, &message);
                if let Ok(allowed) = HeaderValue::try_from(allowed.as_str()) {
                    answer.headers_mut().insert(ALLOW, allowed);
                }
                answer
            }
            fault => match call.generation {
                Generation::V1 => v1::answer(fault),
                generation @ (Generation::V2 | Generation::V3) => v2::answer(fault, generation),
            },
        }
    }
}

/// The missing space is the reference's; tools search for this text.
const LOADING: &str = "server is STARTINGnow, detailed error message: Optional[the instances of the last run have not all come \
                       back yet]";

/// The answer to a configuration client, which logs it and continues with its naming part.
const CONFIGURATION: &str = "this server has no configuration centre: use a server that has one for configuration (spring.cloud.nacos.config.server-addr)";

/// 501 below `/v1/ns`, 404 elsewhere, as the reference.
fn unknown(call: Call<'_>) -> Response<Body> {
    let Call {
        method,
        path,
        now_millis,
        ..
    } = call;
    if path.contains("/v1/ns/") {
        let message = format!("no such api:{method}:{path}");
        body::framework(StatusCode::NOT_IMPLEMENTED, &message, path, now_millis)
    } else {
        let message = match call.generation {
            Generation::V3 => format!("No endpoint {method} {path}."),
            Generation::V1 | Generation::V2 => "No message available".to_owned(),
        };
        body::framework(StatusCode::NOT_FOUND, &message, path, now_millis)
    }
}

impl From<InvalidName> for Fault {
    fn from(name: InvalidName) -> Self {
        Self::Name(name)
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}
