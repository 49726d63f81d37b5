//! `watch`: the event feed, until it is interrupted.
//!
//! A feed that breaks off is opened again after the last printed event, so no event is missed as long as the collector still has
//! it. Only the first connection must succeed at once.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use tracing::warn;

use super::client::{Client, encoded};
use super::feed::{Event, Feed};
use super::output::{Colour, Output};
use super::{Error, Found, roster, text};
use crate::cli::inspect::{Since, Watch};

const PATH: &str = "/api/events";

/// The first and the longest pause before a feed is opened again.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Prints events as they happen. Returns only with an error.
pub(super) async fn print(
    watch: &Watch,
    client: &Client,
    output: &mut Output,
) -> Result<Found, Error> {
    // A period that is given as an age ends now, by the collector's clock.
    let now = match watch.since {
        Some(Since::Ago(_)) => client.time().await?,
        _ => client.now(),
    };
    let since = roster::beginning(watch.since, now);
    let since = since.map(|time| format!("?since={}", encoded(&time.to_string())));
    let first = format!("{PATH}{}", since.unwrap_or_default());
    let mut feed = Feed::new(client.open(&first, None).await?);
    // If no event has been printed yet, the feed is opened again at the start of the watch.
    let again = format!("{PATH}?since={}", encoded(&client.now().to_string()));
    let again = watch.since.map_or(again, |_| first);
    let mut last: Option<String> = None;
    let mut pause = PAUSE;
    loop {
        match feed.next().await {
            Ok(event) => {
                pause = PAUSE;
                print_event(&event, output)?;
                if !event.id.is_empty() {
                    last = Some(event.id);
                }
            }
            Err(reason) => {
                warn!(reason, "the event feed broke off, opening it again");
                feed = loop {
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                    let path = last.as_ref().map_or(&*again, |_| PATH);
                    match client.open(path, last.as_deref()).await {
                        Ok(body) => break Feed::new(body),
                        Err(Error::Unanswered(reason)) => warn!("{reason}"),
                        Err(error) => return Err(error),
                    }
                };
            }
        }
    }
}

fn print_event(event: &Event, output: &mut Output) -> Result<(), Error> {
    let mut data = match serde_json::from_str(&event.data) {
        Ok(Value::Object(data)) => Value::Object(data),
        _ => Value::from_iter([("text", event.data.clone())]),
    };
    if output.is_json() {
        data["event"] = event.name.clone().into();
        data["id"] = event.id.clone().into();
        output.json(&data)?;
    } else {
        output.line(&line(event, &data, output.is_coloured()))?;
    }
    Ok(output.flush()?)
}

/// An event as a line of text: the time, the kind, and the subject.
fn line(event: &Event, data: &Value, is_coloured: bool) -> String {
    let word = |key: &str| data[key].as_str();
    let time = word("time").unwrap_or("-");
    let kind = text::escaped(word("kind").unwrap_or(&event.name));
    let padding = " ".repeat(17_usize.saturating_sub(text::width(&kind)));
    let kind = Colour::of(&kind).paint(&kind, is_coloured);
    let sentence = word("text").map(str::to_owned);
    let sentence = sentence.unwrap_or_else(|| fields(data));
    let time = text::escaped(time);
    format!("{time}  {kind}{padding}  {}", text::escaped(&sentence))
}

/// The fields of an event without a text.
fn fields(data: &Value) -> String {
    let Value::Object(fields) = data else {
        return data.to_string();
    };
    let fields = fields.iter().filter(|(_, value)| **value != "");
    let fields = fields.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    fields.collect::<Vec<_>>().join(" ")
}
