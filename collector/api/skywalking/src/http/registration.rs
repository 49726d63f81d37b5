//! Registration over HTTP (proto/docs/skywalking.md section 2.3). [`v2`] has the calls of 6.x and 7.0, [`named`] those of 8.0
//! and later.
//!
//! A batch may be answered in part: a key that is unusable, or has no id in time, does not affect the others. The call is refused
//! only if no key can be answered. Timestamps of agents (`rt`, `ht`) are evidence only; no decision depends on them.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use prometheus_client::metrics::counter::Counter;
use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId, inventory::NewInstance, liveness::Signal,
};
use rollcall_limits::work;
use rollcall_metrics::{Outcome, Protocol};
use rollcall_server::face::{
    JSON, Refusal, Token,
    json::{self, Object},
    reply,
};
use rollcall_service::{
    Services,
    heartbeat::{Sign, agent_time},
    register::{Error, OperationRef},
};
use serde_json::value::RawValue;

use crate::http::refuse::refuse;

mod input;
mod moment;
mod named;
mod routes;
mod segments;
mod v2;
mod wire;

/// The shared state of the handlers.
struct Face {
    services: Services,
    limits: json::Limits,
    dropped_segments: Counter,
}

use input::Input;
use routes::Routes;

/// An answer, and its outcome in the metrics.
type Handled = Result<(Outcome, Response), Refusal>;

/// The registration face below `context_path`. If a token is configured, callers must send it in the header `authentication`; other
/// callers get 403.
pub fn router(
    services: &Services,
    limits: &json::Limits,
    context_path: &str,
    token: Option<Token>,
) -> Router {
    let router = routes(services, limits, context_path).finish();
    match token {
        Some(token) => token.guard(router, services.metrics.denied(Protocol::Http), denied),
        None => router,
    }
}

fn denied() -> Response {
    let message = "is not the token of this collector";
    Refusal::new(StatusCode::FORBIDDEN, "authentication", message).into_response()
}

fn routes<'a>(services: &Services, limits: &json::Limits, context_path: &'a str) -> Routes<'a> {
    let face = Arc::new(Face {
        services: services.clone(),
        limits: *limits,
        dropped_segments: services.metrics.dropped("segments"),
    });
    let routes = Routes::new(face, context_path)
        .post("/application/register", Face::applications)
        .post("/instance/register", Face::instance)
        .post("/instance/heartbeat", Face::heartbeat)
        .post("/servicename/discovery", Face::operations)
        .post("/networkAddress/register", Face::addresses)
        .post("/segments", Face::segments);
    named::add(v2::add(routes))
}

/// The paths of all calls, without a context path.
#[cfg(test)]
pub(crate) fn calls(services: &Services, limits: &json::Limits) -> Vec<&'static str> {
    routes(services, limits, "").calls
}

// === impl Face ===

impl Face {
    async fn applications(self: Arc<Self>, input: Input) -> Handled {
        let wire::Texts(codes) = input.parse().await?;
        let ids = input.register.applications(&codes).await;
        let ids = in_time(ids, codes.len(), "application code")?;
        let outcome = outcome(&ids);
        let reply = move || {
            let pairs = codes.iter().zip(&ids);
            let entries = pairs.map(|(code, id)| wire::Application {
                c: code,
                i: id.map_or(0, ApplicationId::get),
            });
            reply(&entries.collect::<Vec<_>>())
        };
        Ok((outcome, input.reply(reply).await?))
    }

    async fn instance(self: Arc<Self>, input: Input) -> Handled {
        let Object(new): Object<wire::NewInstance> = input.parse().await?;
        let application = ApplicationId::new(new.ai).ok_or_else(|| zero("ai"))?;
        let skew = input.heartbeat.read_clock(agent_time(new.at.0));
        let process = NewInstance {
            application,
            uuid: new.au.into(),
            generation: None,
            properties: (&new.oi.0).into(),
        };
        let (outcome, id) = match input.register.instance(process).await {
            Ok(id) => {
                input.heartbeat.report_clock(id, skew);
                (Outcome::Ok, id.get())
            }
            Err(error) if error.is_unassigned() => (Outcome::Unassigned, 0),
            Err(error) => return Err(refuse("au", &error)),
        };
        let entry = wire::Instance { ai: new.ai, ii: id };
        Ok((outcome, reply(&entry)))
    }

    async fn heartbeat(self: Arc<Self>, input: Input) -> Handled {
        let Object(beat): Object<wire::Heartbeat> = input.parse().await?;
        let sign = Sign {
            instance: InstanceId::new(beat.ii).ok_or_else(|| zero("ii"))?,
            application: None,
            signal: Signal::Heartbeat,
        };
        let skew = input.heartbeat.read_clock(agent_time(beat.at.0));
        match input.heartbeat.renew(sign).await {
            Ok(()) => {
                input.heartbeat.report_clock(sign.instance, skew);
                Ok((Outcome::Ok, reply(&wire::Done {})))
            }
            Err(error) => Err(refuse("ii", &error)),
        }
    }

    async fn operations(self: Arc<Self>, input: Input) -> Handled {
        let elements = input.parse_with(named_operations).await?;
        let count = elements.len();
        let (places, operations) = work::convert(count, || usable(&elements))?;
        let ids = input.register.operations(&operations).await;
        let ids = in_time(ids, operations.len(), "service name")?;
        let outcome = if ids.iter().flatten().count() == count {
            Outcome::Ok
        } else {
            Outcome::Unassigned
        };
        let reply = move || {
            let pairs = places.into_iter().zip(ids);
            let entry = |(at, id): (usize, Option<OperationId>)| {
                let si = id?.get();
                let (el, _) = elements.get(at)?;
                Some(wire::Operation { si, el })
            };
            reply(&pairs.filter_map(entry).collect::<Vec<_>>())
        };
        Ok((outcome, input.reply(reply).await?))
    }

    async fn addresses(self: Arc<Self>, input: Input) -> Handled {
        let wire::Texts(addresses) = input.parse().await?;
        let ids = input.register.addresses(&addresses).await;
        let ids = in_time(ids, addresses.len(), "network address")?;
        let outcome = outcome(&ids);
        let reply = move || {
            let pairs = addresses.iter().zip(&ids);
            let entries = pairs.map(|(address, id)| wire::Address {
                i: id.map_or(0, AddressId::get),
                n: address,
            });
            reply(&entries.collect::<Vec<_>>())
        };
        Ok((outcome, input.reply(reply).await?))
    }

    /// Segments renew the leases of their instances and are otherwise dropped. Their ids were assigned earlier, so unknown ids are
    /// adopted. A segment whose ids are refused does not affect the others. If a segment lacks a key, the whole body is refused.
    async fn segments(self: Arc<Self>, input: Input) -> Handled {
        let evidence: segments::Evidence = input.parse().await?;
        let sign = |(instance, application)| Sign {
            instance,
            application,
            signal: Signal::TraceSegment,
        };
        let signs = evidence.instances.into_iter().map(sign);
        let renewed = input.heartbeat.renew_all(signs).await;
        // The ids of a segment are in use even if its sender could not be adopted.
        let adopted = input.register.adopt(evidence.held.into_iter()).await;
        skip_unless_transient(renewed)?;
        skip_unless_transient(adopted)?;
        self.dropped_segments.inc_by(evidence.count);
        let response = ([(CONTENT_TYPE, JSON)], Body::empty()).into_response();
        Ok((Outcome::Ok, response))
    }
}

/// The elements of a body of operation names, raw and parsed.
fn named_operations(body: &[u8]) -> Result<Vec<(Box<RawValue>, wire::ServiceName)>, Refusal> {
    let elements: Vec<Box<RawValue>> = json::parse(body)?;
    let element = |(at, element): (usize, Box<RawValue>)| {
        let Object(name) = json::parse_at(at, element.get())?;
        Ok((element, name))
    };
    elements.into_iter().enumerate().map(element).collect()
}

/// The operations that can be registered, and their positions among the elements. Fails only if none can be registered.
fn usable(
    elements: &[(Box<RawValue>, wire::ServiceName)],
) -> Result<(Vec<usize>, Vec<OperationRef<'_>>), Refusal> {
    let mut fault = None;
    let mut usable = (Vec::new(), Vec::new());
    for (at, (_, name)) in elements.iter().enumerate() {
        match name.operation() {
            Ok(operation) => usable.extend([(at, operation)]),
            Err(unusable) => fault = fault.or(Some((at, unusable))),
        }
    }
    match fault {
        Some((at, wire::Unusable { key, message })) if usable.0.is_empty() => {
            Err(Refusal::invalid(format!("[{at}].{key}"), message))
        }
        _ => Ok(usable),
    }
}

/// The ids of a batch; empty if none was durable in time, as in upstream's answer.
fn in_time<I: Copy>(
    ids: Result<Vec<Option<I>>, Error>,
    count: usize,
    field: &str,
) -> Result<Vec<Option<I>>, Refusal> {
    match ids {
        Err(error) if error.is_unassigned() => Ok(vec![None; count]),
        ids => ids.map_err(|error| refuse(field, &error)),
    }
}

/// Ignores an error that a retry would repeat.
fn skip_unless_transient(taken: Result<(), Error>) -> Result<(), Refusal> {
    match taken {
        Err(error) if error.retryable() => Err(refuse("", &error)),
        Err(error) => {
            tracing::debug!(%error, "segment not taken as a sign of life");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn outcome<I>(ids: &[Option<I>]) -> Outcome {
    if ids.iter().all(Option::is_some) {
        Outcome::Ok
    } else {
        Outcome::Unassigned
    }
}

fn zero(field: &str) -> Refusal {
    Refusal::invalid(field, "must not be 0, which stands for no id")
}
