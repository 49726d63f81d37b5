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
use rollcall_server::face::Refusal;
use rollcall_service::{
    events::{Event, Next, Reader},
    roster::Roster,
};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{Face, parameters::Parameters, view};

mod since;

/// The time without an event after which a comment is sent, to keep proxies from closing the connection and to detect dead ones.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Makes nginx, and proxies that adopted this header, forward each event at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The header of a browser that reconnects: the id of the last event that it received.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The `data` of a `lagged` event.
#[derive(Debug, Serialize)]
struct Lagged {
    /// `null` if unknown, because the collector ended before it could write the events, or because they belong to another series of
    /// numbers.
    missed: Option<u64>,
}

struct Subscription {
    events: Reader,
    roster: Roster,
    closing: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// `GET /api/events`: events named `instance`, `service_instance` and `collector` by their subject, as they happen, whose data
/// is a [`view::Event`]; and `lagged` with the number of events that the client missed.
///
/// `since` is the id of an event or a time. The feed begins after that event or at that time, as far as the journal reaches back,
/// or the history of this run if there is no journal. Without `since` the feed begins now. A browser that reconnects repeats
/// `since` and adds the header `Last-Event-ID`, which therefore takes precedence. A comment is sent at once, so that a client
/// behind a proxy knows that it is connected.
pub(super) async fn stream(
    State(face): State<Arc<Face>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["since"])?;
    let header = headers.get(LAST_EVENT_ID);
    let header = header.and_then(|value| value.to_str().ok());
    let feed = &face.services.events;
    let resumed = match header {
        // An id that this release cannot read counts as absent, so that a browser which repeats it is not refused for ever.
        Some(id) => since::parse(id, feed).await.ok(),
        None => None,
    };
    let start = match (resumed, parameters.get("since")) {
        (Some(start), _) => start,
        (None, Some(since)) => since::parse(since, feed).await?,
        (None, None) => since::Start::default(),
    };
    let permit = Arc::clone(&face.subscribers)
        .try_acquire_owned()
        .map_err(|_full| {
            let limit = face.max_event_subscribers;
            Refusal::overloaded(format_args!(
                "the event feed has {limit} readers already (ui.jetty.max_event_subscribers): close one, or raise the key"
            ))
        })?;
    let subscription = Subscription {
        events: feed.read(start.after),
        roster: face.services.roster.clone(),
        closing: face.closing.clone(),
        _permit: permit,
    };
    let missed = start.is_of_another_series.then(|| lagged(None));
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
            Next::Event(recorded) => {
                let id = format!("{}-{}", self.events.series(), recorded.number);
                let name = match recorded.event {
                    Event::Instance(_) => "instance",
                    Event::Service(_) => "service_instance",
                    Event::Collector(_) => "collector",
                };
                let data = view::Event::of(&recorded, &self.roster);
                let event = sse::Event::default().event(name).id(id);
                event.json_data(data)
            }
            Next::Lost(missed) => lagged(missed),
        })
    }
}

fn lagged(missed: Option<u64>) -> Result<sse::Event, axum::Error> {
    sse::Event::default()
        .event("lagged")
        .json_data(Lagged { missed })
}
