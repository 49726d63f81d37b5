//! The changes that operators make to instances of agents, and the record of every change.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use rollcall_domain::{ApplicationId, InstanceId, inventory::ListPosition, liveness};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::{Services, register, roster::Filter};
use serde::Serialize;

use super::{Face, list, parameters::Parameters, query, stopping};

/// Instances that are read at a time.
const STEP: usize = 1000;
/// The states whose instances may be forgotten.
const FORGETTABLE: [liveness::State; 2] = [liveness::State::Down, liveness::State::Left];

#[derive(Serialize)]
struct Forgotten {
    forgotten: usize,
}

/// `DELETE /api/instances/{id}`: forgets an instance in the state `down` or `left`. Counts and lists then omit it.
pub(super) async fn forget(
    State(face): State<Arc<Face>>,
    id: query::IdText,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let id = query::known_instance(&face, id)?;
    face.services.forget(&[id]).await.map_err(not_stored)?;
    let status = face.services.roster.instance(id);
    if !status.is_some_and(|status| status.forgotten) {
        let message = "is up or silent: only an instance that is down or left can be forgotten";
        return Err(Refusal::new(StatusCode::CONFLICT, "id", message));
    }
    record(&face, "forgot", &format!("instance {id}"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /api/instances`: forgets every instance in one of the states of `state`, of one application or of all applications.
pub(super) async fn forget_all(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["application", "state"])?;
    let states = list::states(&parameters)?.unwrap_or_else(|| FORGETTABLE.to_vec());
    if states.iter().any(|state| !FORGETTABLE.contains(state)) {
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
    let (mut cursor, mut forgotten) = (Cursor::first(application), 0);
    let outcome = loop {
        if face.closing.is_cancelled() {
            break Err(stopping());
        }
        let filter = filter.clone();
        let read = face.read_list(move |services| cursor.read(services, &filter));
        let (instances, next) = match read.await {
            Ok(read) => read,
            Err(refusal) => break Err(refusal),
        };
        match face.services.forget(&instances).await {
            Ok(count) => forgotten += count,
            Err(error) => break Err(not_stored(error)),
        }
        match next {
            Some(next) => cursor = next,
            None => break Ok(()),
        }
    };
    if forgotten > 0 || outcome.is_ok() {
        record(&face, &format!("forgot {forgotten}"), &target);
    }
    outcome.map(|()| reply(&Forgotten { forgotten }))
}

/// The place in the list of the instances to forget.
#[derive(Clone, Copy)]
enum Cursor {
    /// Instances of one application; `None` is for those whose application is unknown.
    Of(Option<ApplicationId>, Option<InstanceId>),
    All(Option<ListPosition>),
}

impl Cursor {
    fn first(application: Option<Option<ApplicationId>>) -> Self {
        application.map_or(Self::All(None), |id| Self::Of(id, None))
    }

    /// The next instances, and the place after them.
    fn read(self, services: &Services, filter: &Filter) -> (Vec<InstanceId>, Option<Self>) {
        let roster = &services.roster;
        match self {
            Self::Of(application, after) => {
                let page = roster.instances(application, filter, after, STEP);
                let next = page.next.map(|next| Self::Of(application, Some(next)));
                (page.items, next)
            }
            Self::All(after) => {
                let page = roster.all_instances(filter, after, STEP);
                let ids = page.items.iter().map(|place| place.instance);
                (ids.collect(), page.next.map(|next| Self::All(Some(next))))
            }
        }
    }
}

fn not_stored(error: register::Error) -> Refusal {
    tracing::warn!(%error, "forgotten instances could not be stored");
    Refusal::overloaded(
        "the store did not accept a write, and its instances are listed as before: retry",
    )
}

/// Logs and records a change, with the address of its caller.
pub(super) fn record(face: &Face, what: &str, target: &str) {
    let peer = rollcall_link::current(|seen| seen.remote().to_string());
    let peer = peer.unwrap_or_default();
    tracing::info!(peer, what, target, "change by an operator");
    face.services.operated(&peer, what, target);
}
