//! The query API: applications, their instances, and the collectors.

use std::{fmt::Display, str::FromStr, sync::Arc};

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::Response,
};
use rollcall_domain::{ApplicationId, InstanceId, inventory::ListPosition};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::roster::{Roster, Turn};

use super::{
    Face,
    list::{self, PageRequest},
    page::Page,
    parameters::Parameters,
    view,
};

/// The id in a path, which may not be valid text.
pub(super) type IdText = Result<Path<String>, PathRejection>;

/// Like 0, the path element for the instances whose application was never reported.
const UNKNOWN: &str = "unknown";

/// The parameters of a list of instances.
const OF_INSTANCES: [&str; 6] = ["state", "name", "host", "text", "limit", "cursor"];

/// `GET /api/applications`: all applications, or those whose code contains `text`, those with an instance in one of the states of
/// `state`, or the one with this `code`.
pub(super) async fn applications(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["code", "state", "text", "limit", "cursor"])?;
    let PageRequest { cursor, limit } = PageRequest::of(&parameters, number)?;
    if let Some(code) = parameters.get("code").map(str::to_owned) {
        parameters.refuse(&["state", "text"], "has no effect beside code")?;
        return face
            .read_page(move |services, page| {
                if let Some(status) = services.roster.application_named(&code) {
                    // The first item always fits.
                    let _first = page.add(code, &view::Application::of(&status))?;
                }
                Ok(None::<ApplicationId>)
            })
            .await;
    }
    let filter = list::application_filter(&parameters)?;
    face.read_page(move |services, page| {
        let roster = &services.roster;
        let listed = roster.applications_where(&filter, cursor, limit);
        for status in &listed.items {
            let id = status.application.as_ref().map_or(0, |row| row.id.get());
            if page.add(id, &view::Application::of(status))?.is_break() {
                break;
            }
        }
        Ok(listed.next)
    })
    .await
}

/// `GET /api/applications/{id}`; the id may be [`UNKNOWN`]
pub(super) async fn application(
    State(face): State<Arc<Face>>,
    id: IdText,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let text = text(id)?;
    let id = application_id(&text).ok_or_else(bad_application)?;
    let status = face
        .read_list(move |services| services.roster.application(id))
        .await?
        .ok_or_else(|| unknown("application", &text))?;
    Ok(reply(&view::Application::of(&status)))
}

/// `GET /api/applications/{id}/instances`; the id may be [`UNKNOWN`]. `state` has one or several states, separated by commas. With
/// it, the list includes forgotten instances, which are otherwise hidden. `name` selects a name or UUID, and `host` a host.
pub(super) async fn instances(
    State(face): State<Arc<Face>>,
    id: IdText,
    uri: Uri,
) -> Result<Response, Refusal> {
    let application = application_id(&text(id)?).ok_or_else(bad_application)?;
    let parameters = Parameters::of(&uri, &OF_INSTANCES)?;
    let PageRequest { cursor, limit } = PageRequest::of(&parameters, instance_id)?;
    let filter = list::filter(&parameters)?;
    let roster = &face.services.roster;
    if let Some(id) = application
        && !roster.has_application(id)
    {
        return Err(unknown("application", id));
    }
    face.read_page(move |services, page| {
        let roster = &services.roster;
        let listed = roster.instances(application, &filter, cursor, limit);
        add_instances(page, roster, listed.items, |id| (*id, id.to_string()))?;
        Ok(listed.next)
    })
    .await
}

/// `GET /api/instances`: the instances of all applications, with the filters of [`instances`].
pub(super) async fn all_instances(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &OF_INSTANCES)?;
    let PageRequest { cursor, limit } = PageRequest::of(&parameters, position)?;
    let filter = list::filter(&parameters)?;
    face.read_page(move |services, page| {
        let roster = &services.roster;
        let listed = roster.all_instances(&filter, cursor, limit);
        add_instances(page, roster, listed.items, |position| {
            (position.instance, cursor_of(*position))
        })?;
        Ok(listed.next.map(cursor_of))
    })
    .await
}

/// Adds these instances until the page is full; `read` returns the id and the cursor of one.
fn add_instances<C>(
    page: &mut Page,
    roster: &Roster,
    listed: Vec<C>,
    read: impl Fn(&C) -> (InstanceId, String),
) -> Result<(), Refusal> {
    let mut turn = Turn::begin();
    for position in &listed {
        turn.pass();
        let (id, cursor) = read(position);
        let Some(status) = roster.instance(id) else {
            continue;
        };
        if page
            .add(cursor, &view::Instance::of(roster, &status))?
            .is_break()
        {
            break;
        }
    }
    Ok(())
}

/// `GET /api/instances/{id}`
pub(super) async fn instance(
    State(face): State<Arc<Face>>,
    id: IdText,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let id = id_in(id)?;
    let roster = &face.services.roster;
    let status = roster.instance(id).ok_or_else(|| unknown("instance", id))?;
    Ok(reply(&view::Instance::of(roster, &status)))
}

/// The id in a path, of an instance that exists.
pub(super) fn known_instance(face: &Face, id: IdText) -> Result<InstanceId, Refusal> {
    let id = instance_id(&text(id)?).ok_or_else(bad_id)?;
    match face.services.roster.instance(id) {
        Some(_) => Ok(id),
        None => Err(unknown("instance", id)),
    }
}

/// The application that a parameter names; `None` is for instances whose application is unknown.
pub(super) fn listed_application(text: &str) -> Result<Option<ApplicationId>, Refusal> {
    let message = "must be the id of an application, or unknown";
    application_id(text).ok_or_else(|| Refusal::invalid("application", message))
}

/// `GET /api/members`, in the order of their addresses.
pub(super) async fn members(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["limit", "cursor"])?;
    let PageRequest { cursor, limit } =
        PageRequest::of(&parameters, |address| Some(address.to_owned()))?;
    let members = face.services.roster.members();
    let is_rest = |address: &str| cursor.as_deref().is_none_or(|cursor| address > cursor);
    let mut rest = members
        .view
        .members()
        .iter()
        .filter(|member| is_rest(&member.address));
    let mut page = face.pages.begin();
    let mut last = None;
    for member in rest.by_ref().take(limit) {
        let shown = view::Member::of(member, &members);
        if page.add(&member.address, &shown)?.is_break() {
            break;
        }
        last = Some(&member.address);
    }
    let next = rest.next().and(last);
    page.end(next)
}

fn text(id: IdText) -> Result<String, Refusal> {
    let Path(id) = id.map_err(|_not_text| bad_id())?;
    Ok(id)
}

/// The application in a path; `Some(None)` for [`UNKNOWN`] and for 0, its id in the list.
fn application_id(text: &str) -> Option<Option<ApplicationId>> {
    if text == UNKNOWN {
        return Some(None);
    }
    number(text).map(ApplicationId::new)
}

fn instance_id(text: &str) -> Option<InstanceId> {
    number(text).and_then(InstanceId::new)
}

/// The cursor of the list of all instances: application and instance.
fn cursor_of(position: ListPosition) -> String {
    let instance = position.instance;
    match position.application {
        Some(application) => format!("{application}:{instance}"),
        None => format!("{UNKNOWN}:{instance}"),
    }
}

fn position(text: &str) -> Option<ListPosition> {
    let (application, instance) = text.split_once(':')?;
    Some(ListPosition {
        application: match application {
            UNKNOWN => None,
            id => Some(number(id).and_then(ApplicationId::new)?),
        },
        instance: instance_id(instance)?,
    })
}

fn number(text: &str) -> Option<i32> {
    i32::from_str(text).ok()
}

fn bad_id() -> Refusal {
    Refusal::invalid("id", "must be a number of 32 bits other than 0")
}

fn bad_application() -> Refusal {
    let allowed = format_args!("must be a number of 32 bits, or {UNKNOWN}");
    Refusal::invalid("id", allowed)
}

/// The instance in a path.
pub(super) fn id_in(id: IdText) -> Result<InstanceId, Refusal> {
    instance_id(&text(id)?).ok_or_else(bad_id)
}

pub(super) fn unknown(what: &str, id: impl Display) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "id",
        format_args!("there is no {what} {id}"),
    )
}
