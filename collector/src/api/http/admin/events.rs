//! What happens, as it happens: server-sent events.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        Sse,
        sse::{self, KeepAlive},
    },
};
use futures_util::stream::{self, Stream};
use rollcall_domain::ApplicationId;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, broadcast, broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;

use super::{Face, view};
use crate::{
    api::http::refusal::Refusal,
    service::events::{Event, InstanceEvent, Kind, Room, Shared},
};

/// A comment after this long without an event, so that proxies keep the connection and dead ones are noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The `data` of an event.
#[derive(Debug, Serialize)]
struct Data {
    at: String,
    instance_id: i32,
    application_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    changed: Option<Changed>,
}

/// What a `changed` event has in addition.
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
    missed: u64,
}

struct Subscription {
    events: broadcast::Receiver<Event>,
    closing: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// `GET /api/events`: `registered`, `adopted` and `changed` from now on, `diverged` and `agreed` when what this collector
/// knows comes to differ from what others say, and to agree with it again, `inventory` when its memory runs low, is full, or
/// has room again, and `lagged` with the count of those that a slow
/// reader missed. The feed keeps nothing: an `id` tells events apart, and cannot be resumed from.
pub(super) async fn stream(
    State(face): State<Arc<Face>>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, axum::Error>>>, Refusal> {
    let permit = Arc::clone(&face.subscribers)
        .try_acquire_owned()
        .map_err(|_full| Refusal::overloaded("too many subscribers of the event feed"))?;
    let subscription = Subscription {
        events: face.services.events.subscribe(),
        closing: face.closing.clone(),
        _permit: permit,
    };
    let events = stream::unfold(subscription, |mut subscription| async {
        let event = subscription.next().await?;
        Some((event, subscription))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Subscription {
    /// The next event; `None` at the end of the feed.
    async fn next(&mut self) -> Option<Result<sse::Event, axum::Error>> {
        let received = tokio::select! {
            biased;
            () = self.closing.cancelled() => return None,
            received = self.events.recv() => received,
        };
        match received {
            Ok(event) => Some(encode(&event)),
            Err(RecvError::Lagged(missed)) => Some(
                sse::Event::default()
                    .event("lagged")
                    .json_data(Lagged { missed }),
            ),
            Err(RecvError::Closed) => None,
        }
    }
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
            let id = format!("{}-{name}", at.millis());
            sse::Event::default().id(id).event(name).json_data(data)
        }
        Event::Room { at, room } => {
            let data = Inventory {
                at: view::time(*at),
                room: match room {
                    Room::Ample => "ample",
                    Room::Low => "low",
                    Room::Full => "full",
                },
            };
            let id = format!("{}-inventory", at.millis());
            sse::Event::default()
                .id(id)
                .event("inventory")
                .json_data(data)
        }
    }
}

fn instance(event: &InstanceEvent) -> Result<sse::Event, axum::Error> {
    let (name, changed) = match event.kind {
        Kind::Registered => ("registered", None),
        Kind::Adopted => ("adopted", None),
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
    let id = format!("{}-{}", event.at.millis(), event.instance);
    sse::Event::default().id(id).event(name).json_data(data)
}
