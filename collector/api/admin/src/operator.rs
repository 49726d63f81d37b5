//! What operators change about instances of agents, and the record of every change.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use rollcall_domain::{ApplicationId, InstanceId, inventory::ListPosition, liveness};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::{Services, roster::Filter};
use serde::Serialize;

use super::{Face, list, parameters::Parameters, query};

/// Instances that are read at a time.
const STEP: usize = 1000;
/// The states whose instances may be forgotten.
const OVER: [liveness::State; 2] = [liveness::State::Down, liveness::State::Left];

#[derive(Serialize)]
struct Forgotten {
    forgotten: usize,
}

/// `DELETE /api/instances/{id}`: leaves an instance that is down or left out of counts and lists.
pub(super) async fn forget(
    State(face): State<Arc<Face>>,
    id: query::IdText,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let id = query::known_instance(&face, id)?;
    if !face.services.roster.forget(id) {
        let message = "is up or silent: only an instance that is down or left can be forgotten";
        return Err(Refusal::new(StatusCode::CONFLICT, "id", message));
    }
    record(&face, "forgot", &format!("instance {id}"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /api/instances`: the same for all instances of an application, or of all, that are in one of the states of `state`.
pub(super) async fn forget_all(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["application", "state"])?;
    let states = list::states(&parameters)?.unwrap_or_else(|| OVER.to_vec());
    if states.iter().any(|state| !OVER.contains(state)) {
        let message = "may be down, left or both: no other instance can be forgotten";
        return Err(Refusal::invalid("state", message));
    }
    let application = parameters.get("application");
    let application = application.map(query::listed_application).transpose()?;
    let filter = Filter {
        states: Some(states),
        ..Filter::default()
    };
    let target = match parameters.get("application") {
        Some(id) => format!("instances of application {id}"),
        None => "instances of all applications".to_owned(),
    };
    let forgotten = face
        .read_list(move |services| match application {
            Some(application) => forget_of(services, application, &filter),
            None => forget_listed(services, &filter),
        })
        .await?;
    record(&face, &format!("forgot {forgotten}"), &target);
    Ok(reply(&Forgotten { forgotten }))
}

/// Forgets the instances of one application; `None` is for those whose application is unknown.
fn forget_of(services: &Services, application: Option<ApplicationId>, filter: &Filter) -> usize {
    let roster = &services.roster;
    let (mut cursor, mut forgotten) = (None, 0);
    loop {
        let page = roster.instances(application, filter, cursor, STEP);
        forgotten += page
            .items
            .iter()
            .filter(|id| is_new(services, **id))
            .count();
        cursor = page.next;
        if cursor.is_none() {
            return forgotten;
        }
    }
}

fn forget_listed(services: &Services, filter: &Filter) -> usize {
    let (mut cursor, mut forgotten): (Option<ListPosition>, usize) = (None, 0);
    loop {
        let page = services.roster.all_instances(filter, cursor, STEP);
        let ids = page.items.iter().map(|position| position.instance);
        forgotten += ids.filter(|id| is_new(services, *id)).count();
        cursor = page.next;
        if cursor.is_none() {
            return forgotten;
        }
    }
}

/// Forgets an instance, unless that was done before.
fn is_new(services: &Services, id: InstanceId) -> bool {
    let status = services.roster.instance(id);
    status.is_some_and(|status| !status.forgotten) && services.roster.forget(id)
}

/// Logs and records a change, with the address that it came from.
pub(super) fn record(face: &Face, what: &str, target: &str) {
    let peer = rollcall_link::current(|seen| seen.remote().to_string());
    let peer = peer.unwrap_or_default();
    tracing::info!(peer, what, target, "an operator changed something");
    face.services.operated(&peer, what, target);
}
