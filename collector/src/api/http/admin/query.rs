//! Who is there: applications, their instances, and the collectors.

use std::{fmt::Display, str::FromStr, sync::Arc};

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::Response,
};
use rollcall_domain::{ApplicationId, InstanceId};

use super::{
    Face,
    list::{self, Asked},
    view,
};
use crate::api::http::{json, refusal::Refusal};

/// The id in a path, which need not be text.
type IdText = Result<Path<String>, PathRejection>;

/// Stands in a path for the application of instances whose application was never told.
const UNKNOWN: &str = "unknown";

/// `GET /api/applications`
pub(super) async fn applications(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Asked { cursor, limit } = Asked::of(&uri, application_id)?;
    let page = face
        .read_list(move |services| services.roster.applications(cursor, limit))
        .await?;
    let items = page.items.iter().map(view::Application::of).collect();
    Ok(list::reply(items, page.next))
}

/// `GET /api/applications/{id}`
pub(super) async fn application(
    State(face): State<Arc<Face>>,
    id: IdText,
) -> Result<Response, Refusal> {
    let id = application_id(&text(id)?).ok_or_else(bad_id)?;
    let status = face
        .read_list(move |services| services.roster.application(id))
        .await?
        .ok_or_else(|| unknown("application", id))?;
    Ok(json::reply(&view::Application::of(&status)))
}

/// `GET /api/applications/{id}/instances`; the id may be [`UNKNOWN`]. `state` names one or several states, separated by commas:
/// with it the list has also those that have been down or left for so long that it leaves them out otherwise.
pub(super) async fn instances(
    State(face): State<Arc<Face>>,
    id: IdText,
    uri: Uri,
) -> Result<Response, Refusal> {
    let application = match text(id)?.as_str() {
        UNKNOWN => None,
        id => Some(application_id(id).ok_or_else(bad_id)?),
    };
    let Asked { cursor, limit } = Asked::of(&uri, instance_id)?;
    let roster = &face.services.roster;
    if let Some(id) = application
        && !roster.has_application(id)
    {
        return Err(unknown("application", id));
    }
    let states = list::states(&uri)?;
    let page = face
        .read_list(move |services| {
            let states = states.as_deref();
            services
                .roster
                .instances(application, states, cursor, limit)
        })
        .await?;
    let items = page.items.iter().map(view::Instance::of).collect();
    Ok(list::reply(items, page.next))
}

/// `GET /api/instances/{id}`
pub(super) async fn instance(
    State(face): State<Arc<Face>>,
    id: IdText,
) -> Result<Response, Refusal> {
    let id = instance_id(&text(id)?).ok_or_else(bad_id)?;
    let roster = &face.services.roster;
    let status = roster.instance(id).ok_or_else(|| unknown("instance", id))?;
    Ok(json::reply(&view::Instance::of(&status)))
}

/// `GET /api/members`, in the order of their addresses.
pub(super) async fn members(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let Asked { cursor, limit } = Asked::of(&uri, |address| Some(address.to_owned()))?;
    let members = face.services.roster.members();
    let is_rest = |address: &str| cursor.as_deref().is_none_or(|cursor| address > cursor);
    let mut rest = members
        .view
        .members()
        .iter()
        .filter(|member| is_rest(&member.address));
    let shown = rest.by_ref().take(limit);
    let items: Vec<_> = shown
        .map(|member| view::Member::of(member, &members))
        .collect();
    let next = match rest.next() {
        Some(_) => items.last().map(|member| member.address),
        None => None,
    };
    Ok(list::reply(items, next))
}

fn text(id: IdText) -> Result<String, Refusal> {
    let Path(id) = id.map_err(|_not_text| bad_id())?;
    Ok(id)
}

fn application_id(text: &str) -> Option<ApplicationId> {
    number(text).and_then(ApplicationId::new)
}

fn instance_id(text: &str) -> Option<InstanceId> {
    number(text).and_then(InstanceId::new)
}

fn number(text: &str) -> Option<i32> {
    i32::from_str(text).ok()
}

fn bad_id() -> Refusal {
    Refusal::invalid("id", "must be a number of 32 bits other than 0")
}

fn unknown(what: &str, id: impl Display) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "id",
        format_args!("there is no {what} {id}"),
    )
}
