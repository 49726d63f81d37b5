//! The state of the whole: this collector, its agents, its catalog, and the lists that agents receive.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use rollcall_server::face::{JSON, Refusal, reply};
use rollcall_service::{naming::List, readiness::Reasons};
use serde::Serialize;

use super::{Face, parameters::Parameters, probes, view};

#[derive(Serialize)]
struct Overview<'a> {
    time: String,
    version: &'static str,
    /// The address that identifies this collector among the members.
    address: &'a str,
    started_at: String,
    status: &'static str,
    reasons: Reasons,
    agents: view::Counts,
    /// `null` if the Nacos faces are off.
    catalog: Option<Catalog>,
}

#[derive(Serialize)]
struct Catalog {
    /// Whether lists are answered; `false` shortly after a start.
    complete: bool,
    services: usize,
    instances: usize,
    healthy: usize,
    connections: usize,
    subscriptions: usize,
}

/// `GET /api/overview`
pub(super) async fn overview(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let services = &face.services;
    let (status, reasons) = probes::status(&face);
    let counts = services.roster.counts();
    let catalog = face.sources.catalog.as_ref().map(|catalog| {
        let counts = catalog.counts();
        Catalog {
            complete: catalog.is_complete(),
            services: counts.registry.services,
            instances: counts.registry.ephemeral + counts.registry.persistent,
            healthy: counts.registry.healthy,
            connections: counts.connections,
            subscriptions: counts.subscriptions,
        }
    });
    Ok(reply(&Overview {
        time: view::time(services.wall()),
        version: env!("CARGO_PKG_VERSION"),
        address: &services.roster.members().own,
        started_at: view::time(rollcall_domain::Timestamp::from_millis(face.run)),
        status,
        reasons,
        agents: view::Counts {
            up: counts.up,
            silent: counts.silent,
            down: counts.down,
            left: counts.left,
        },
        catalog,
    }))
}

/// `GET /api/naming`: the lists of collectors, exactly as agents receive them from this collector.
pub(super) async fn naming(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let body = |list| face.services.naming.body(list);
    let (grpc, jetty, ui) = (
        body(List::AgentGrpc),
        body(List::AgentJetty),
        body(List::Ui),
    );
    let parts: [&[u8]; 7] = [
        b"{\"agent_grpc\":",
        &grpc,
        b",\"agent_jetty\":",
        &jetty,
        b",\"ui\":",
        &ui,
        b"}",
    ];
    Ok(([(CONTENT_TYPE, JSON)], parts.concat()).into_response())
}
