//! The event feed: server-sent events.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, Uri},
    response::{
        IntoResponse, Response, Sse,
        sse::{self, KeepAlive},
    },
};
use futures_util::stream::{self, StreamExt as _};
use rollcall_domain::ApplicationId;
use rollcall_server::face::Refusal;
use rollcall_service::events::{Event, InstanceEvent, Kind, Next, Reader, Recorded, Room, Shared};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{Face, parameters::Parameters, view};

mod service;
mod since;

/// The time without an event after which a comment is sent, to keep proxies from closing the connection and to detect dead ones.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Has nginx, and proxies that copied this header, forward each event at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The header of a browser that reconnects: the id of the last event that it received.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The `data` of an event.
#[derive(Debug, Serialize)]
struct Data {
    at: String,
    instance_id: i32,
    application_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    changed: Option<Changed>,
}

/// The additional data of a `changed` event.
#[derive(Debug, Serialize)]
struct Changed {
    from: &'static str,
    to: &'static str,
    last_seen_at: String,
    last_signal: &'static str,
}

/// The `data` of a `diverged` or `agreed` event.
#[derive(Debug, Serialize)]
struct Compared {
    at: String,
    about: &'static str,
}

/// The `data` of an `inventory` event.
#[derive(Debug, Serialize)]
struct Inventory {
    at: String,
    room: &'static str,
}

/// The `data` of a `lagged` event.
#[derive(Debug, Serialize)]
struct Lagged {
    /// `null` if unknown, because the collector was restarted.
    missed: Option<u64>,
}

struct Subscription {
    events: Reader,
    run: i64,
    closing: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// `GET /api/events`: `registered`, `adopted`, `changed` and `stray` (a refused sign of life) as they happen; `diverged` and
/// `agreed` when this collector's data starts to differ from the other members' reports, and when it matches again; `inventory`
/// when memory for it runs low, is full, or is available again; `service_instance` for instances of Nacos services; and `lagged`
/// with the number of events that the client missed.
///
/// `since` (or the header `Last-Event-ID`) is the id of an event or a time: the feed begins after that event or at that time, as
/// far as the history of this run reaches. Without it the feed begins now. A comment is sent at once, so that a client behind a
/// proxy knows that it is connected.
pub(super) async fn stream(
    State(face): State<Arc<Face>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["since"])?;
    let header = headers.get(LAST_EVENT_ID);
    let header = header.and_then(|value| value.to_str().ok());
    let feed = &face.services.events;
    let start = match (parameters.get("since"), header) {
        (Some(since), _) => since::parse(since, feed, face.run)?,
        // An id of another release must not lock a browser out for good.
        (None, Some(id)) => since::parse(id, feed, face.run).unwrap_or_default(),
        (None, None) => since::Start::default(),
    };
    let permit = Arc::clone(&face.subscribers)
        .try_acquire_owned()
        .map_err(|_full| Refusal::overloaded("too many subscribers of the event feed"))?;
    let subscription = Subscription {
        events: feed.read(start.after),
        run: face.run,
        closing: face.closing.clone(),
        _permit: permit,
    };
    let missed = start.is_of_another_run.then(|| lagged(None));
    let first = [Ok(sse::Event::default().comment("connected"))];
    let events = stream::unfold(subscription, |mut subscription| async {
        let event = subscription.next().await?;
        Some((event, subscription))
    });
    let events = stream::iter(first.into_iter().chain(missed)).chain(events);
    let feed = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(X_ACCEL_BUFFERING, "no")], feed).into_response())
}

impl Subscription {
    /// The next event; `None` at the end of the feed.
    async fn next(&mut self) -> Option<Result<sse::Event, axum::Error>> {
        let next = tokio::select! {
            biased;
            () = self.closing.cancelled() => return None,
            next = self.events.next() => next?,
        };
        Some(match next {
            Next::Event(Recorded { number, event }) => {
                encode(&event).map(|event| event.id(format!("{}-{number}", self.run)))
            }
            Next::Lost(missed) => lagged(Some(missed)),
        })
    }
}

fn lagged(missed: Option<u64>) -> Result<sse::Event, axum::Error> {
    sse::Event::default()
        .event("lagged")
        .json_data(Lagged { missed })
}

fn encode(event: &Event) -> Result<sse::Event, axum::Error> {
    match event {
        Event::Instance(event) => instance(event),
        Event::Agreement { at, about, agrees } => {
            let name = if *agrees { "agreed" } else { "diverged" };
            let data = Compared {
                at: view::time(*at),
                about: match about {
                    Shared::Inventory => "inventory",
                    Shared::Roster => "roster",
                },
            };
            sse::Event::default().event(name).json_data(data)
        }
        Event::Service { at, event } => service::encode(*at, event),
        Event::Room { at, room } => {
            let data = Inventory {
                at: view::time(*at),
                room: match room {
                    Room::Ample => "ample",
                    Room::Low => "low",
                    Room::Full => "full",
                },
            };
            sse::Event::default().event("inventory").json_data(data)
        }
    }
}

fn instance(event: &InstanceEvent) -> Result<sse::Event, axum::Error> {
    let (name, changed) = match event.kind {
        Kind::Registered => ("registered", None),
        Kind::Adopted => ("adopted", None),
        Kind::Stray => ("stray", None),
        Kind::Changed {
            from,
            to,
            last_seen,
            signal,
        } => {
            let changed = Changed {
                from: view::state(from),
                to: view::state(to),
                last_seen_at: view::time(last_seen),
                last_signal: view::signal(signal),
            };
            ("changed", Some(changed))
        }
    };
    let data = Data {
        at: view::time(event.at),
        instance_id: event.instance.get(),
        application_id: event.application.map(ApplicationId::get),
        changed,
    };
    sse::Event::default().event(name).json_data(data)
}
