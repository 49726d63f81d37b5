//! Timelines: the last changes of one instance, with their evidence.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::Response,
};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::{
    Services,
    events::{ServiceFilter, ServiceInstance, Timeline},
    roster::Roster,
};
use serde::Serialize;

use super::{Face, parameters::Parameters, query, services::name, view};

/// A timeline.
#[derive(Debug, Serialize)]
struct Shown<I> {
    /// The instance as in the roster.
    instance: I,
    /// The explanation of its state.
    why: String,
    /// Oldest first.
    events: Vec<view::Event>,
    /// How many older changes there were; `null` if unknown.
    lost: Option<u64>,
}

/// `GET /api/instances/{id}/timeline`
pub(super) async fn instance(
    State(face): State<Arc<Face>>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let id = query::id_in(id)?;
    let roster = &face.services.roster;
    let status = roster
        .instance(id)
        .ok_or_else(|| query::unknown("instance", id))?;
    let timeline = face.services.events.timeline(id);
    let instance = view::Instance::of(roster, &status);
    Ok(reply(&Shown {
        why: instance.why().to_owned(),
        events: events(&timeline, roster),
        lost: timeline.lost,
        instance,
    }))
}

/// The most timelines in one answer.
const MAX_TIMELINES: usize = 100;

/// Several timelines.
#[derive(Debug, Serialize)]
struct Several {
    /// The last change first.
    items: Vec<Shown<()>>,
    /// Whether there are more timelines than the answer has.
    more: bool,
}

/// `GET /api/services/instances/timeline?namespace=&group=&service=&ip=&port=&cluster=`. Without `service`, or without `ip` and
/// `port`, returns the timelines of all instances that the remaining parameters select, including instances that are no longer
/// registered.
pub(super) async fn service(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let names = ["namespace", "group", "service", "ip", "port", "cluster"];
    let parameters = Parameters::of(&uri, &names)?;
    if let Some(selection) = Selection::of(&parameters)? {
        let several = face.read_list(move |services| selection.read(services));
        return Ok(reply(&several.await?));
    }
    let instance = place(&parameters)?;
    let timeline = face.services.events.service_timeline(&instance);
    let events = events(&timeline, &face.services.roster);
    let Some(last) = events.last() else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "service",
            format_args!(
                "this collector has no change of {} {}:{} in the cluster {}",
                instance.service,
                instance.endpoint.ip,
                instance.endpoint.port,
                instance.endpoint.cluster
            ),
        ));
    };
    Ok(reply(&Shown {
        instance: None::<()>,
        why: last.text().to_owned(),
        events,
        lost: timeline.lost,
    }))
}

/// The instances at an endpoint, or of a service by its name.
#[derive(Debug)]
struct Selection(ServiceFilter);

impl Selection {
    /// `None` if the parameters name a single instance, or nothing.
    fn of(parameters: &Parameters) -> Result<Option<Self>, Refusal> {
        let given = |name: &'static str| {
            let value = parameters.get(name).filter(|value| !value.is_empty());
            value.map(str::to_owned)
        };
        let endpoint = match (given("ip"), given("port")) {
            (Some(ip), Some(port)) => Some((ip, name::port(&port)?)),
            (None, None) => None,
            _ => return Ok(None),
        };
        let filter = ServiceFilter {
            namespace: given("namespace"),
            group: given("group"),
            service: given("service"),
            endpoint,
            cluster: given("cluster"),
        };
        let is_one_of_both = filter.service.is_some() != filter.endpoint.is_some();
        Ok(is_one_of_both.then_some(Self(filter)))
    }

    fn read(&self, services: &Services) -> Several {
        let feed = &services.events;
        let mut found = feed.service_instances(&self.0, MAX_TIMELINES + 1);
        let more = found.len() > MAX_TIMELINES;
        found.truncate(MAX_TIMELINES);
        let timelines = found.iter().map(|it| feed.service_timeline(it));
        let last = |timeline: &Timeline| timeline.events.last().map(|last| last.number);
        let mut timelines: Vec<_> = timelines.filter(|it| last(it).is_some()).collect();
        timelines.sort_unstable_by_key(|timeline| std::cmp::Reverse(last(timeline)));
        let items = timelines.iter().map(|timeline| {
            let events = events(timeline, &services.roster);
            Shown {
                instance: (),
                why: events
                    .last()
                    .map_or(String::new(), |last| last.text().to_owned()),
                events,
                lost: timeline.lost,
            }
        });
        Several {
            items: items.collect(),
            more,
        }
    }
}

fn events(timeline: &Timeline, roster: &Roster) -> Vec<view::Event> {
    let events = timeline.events.iter();
    events
        .map(|recorded| view::Event::of(recorded, roster))
        .collect()
}

fn place(parameters: &Parameters) -> Result<ServiceInstance, Refusal> {
    for needed in ["service", "ip", "port"] {
        if parameters.get(needed).is_none_or(str::is_empty) {
            return Err(Refusal::invalid(needed, "is required"));
        }
    }
    Ok(ServiceInstance {
        service: name::key(parameters)?,
        endpoint: name::endpoint(parameters)?,
    })
}
