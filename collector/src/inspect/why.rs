//! `why`: the state of an application, an instance or a service, since when, and the evidence.

use std::collections::HashMap;

use serde_json::Value;

use super::answer::{Application, Instance, read};
use super::client::{Client, encoded};
use super::output::{Colour, Output};
use super::{Error, Found, MAX_EXPLAINED, roster, services, text, timeline};
use crate::cli::inspect::Why;

/// All states. With this parameter a list also has forgotten instances, which have been down or left for long.
const ALL: &str = "&state=up,silent,down,left";

/// Prints why `why.what` is in its state.
pub(super) async fn print(why: &Why, client: &Client, output: &mut Output) -> Result<Found, Error> {
    let mut found = Found::Nothing;
    let what = &*why.what;
    if let Some(application) = application(what, client).await? {
        found = explain_application(&application, client, output).await?;
    }
    let instances = instances(what, client).await?;
    let labels = match instances.is_empty() {
        true => HashMap::new(),
        false => roster::applications(client).await?,
    };
    for instance in &instances {
        found = found.and(explain_instance(instance, &labels, client, output).await?);
    }
    if what.is_empty() {
        return Ok(found);
    }
    match services::print(why, client, output).await {
        Ok(more) => Ok(found.with(more)),
        // A collector that has just started may refuse to list services although it knows its agents.
        Err(Error::Unanswered(reason)) if found != Found::Nothing => {
            tracing::warn!(reason, "services were not searched");
            Ok(found)
        }
        Err(error) => Err(error),
    }
}

/// The application with this code.
async fn application(code: &str, client: &Client) -> Result<Option<Application>, Error> {
    let mut found = None;
    let query = format!("&code={}", encoded(code));
    let take = |value: Value| {
        found = Some(read(&value)?);
        Ok(())
    };
    client.list("/api/applications", &query, take).await?;
    Ok(found)
}

/// The instances with this id, name or UUID.
async fn instances(what: &str, client: &Client) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    if what.parse::<i32>().is_ok_and(|id| id != 0) {
        found.extend(client.get(&format!("/api/instances/{what}")).await?);
    }
    let query = format!("{ALL}&name={}", encoded(what));
    let take = |value: Value| {
        if found.iter().all(|known| known["id"] != value["id"]) {
            found.push(value);
        }
        Ok(())
    };
    if !what.is_empty() {
        client.list("/api/instances", &query, take).await?;
    }
    Ok(found)
}

/// Explains an application: its counts, and each instance that is not up. The text output explains only the instances that changed
/// last.
async fn explain_application(
    application: &Application,
    client: &Client,
    output: &mut Output,
) -> Result<Found, Error> {
    let path = format!("/api/applications/{}/instances", application.id);
    let labels = HashMap::from([(application.id, application.label.clone())]);
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut latest = Vec::new();
    let mut found = Found::Nothing;
    let mut pages = client.pages(&path, "");
    while let Some(page) = pages.next().await? {
        for value in page {
            let instance: Instance = read(&value)?;
            let is_up = instance.state == "up";
            found = found.and(is_up);
            if !is_up && output.is_json() {
                explain_instance(&value, &labels, client, output).await?;
            } else if !is_up {
                latest.push((instance.since.0, value));
            }
            match counts
                .iter_mut()
                .find(|(state, _)| *state == instance.state)
            {
                Some((_, count)) => *count += 1,
                None => counts.push((instance.state, 1)),
            }
        }
        // The last changes come first, because an operator looks for these.
        latest.sort_by(|(one, _), (other, _)| other.cmp(one));
        latest.truncate(MAX_EXPLAINED);
    }
    if output.is_json() {
        return Ok(found);
    }
    output.line(&format!(
        "application {}: {}",
        text::escaped(&application.label),
        sentence(&counts)
    ))?;
    for (_, instance) in &latest {
        explain_instance(instance, &labels, client, output).await?;
    }
    let not_up = counts.iter().filter(|(state, _)| state != "up");
    let not_up: usize = not_up.map(|(_, count)| count).sum();
    if not_up > latest.len() {
        let more = not_up - latest.len();
        output.line(&format!(
            "and {more} more that are not up: roster lists them"
        ))?;
    }
    Ok(found)
}

/// The number of instances in each state.
fn sentence(counts: &[(String, usize)]) -> String {
    if counts.is_empty() {
        return "no instances, or all have been down or left for long".to_owned();
    }
    let counts = counts
        .iter()
        .map(|(state, count)| format!("{count} {}", text::escaped(state)));
    counts.collect::<Vec<_>>().join(", ")
}

/// Explains an instance, and returns whether it is up.
async fn explain_instance(
    value: &Value,
    labels: &HashMap<i32, String>,
    client: &Client,
    output: &mut Output,
) -> Result<bool, Error> {
    let instance: Instance = read(value)?;
    let path = format!("/api/instances/{}/timeline", instance.id);
    let timeline = client.get_if_served(&path).await?;
    let is_up = instance.state == "up";
    if output.is_json() {
        let without = || Value::from_iter([("instance", value.clone())]);
        output.json(&timeline.unwrap_or_else(without))?;
        return Ok(is_up);
    }
    let application = instance.application_id.unwrap_or(0);
    let application = labels
        .get(&application)
        .map_or(roster::UNKNOWN, String::as_str);
    let mut title = application.to_owned();
    title += &instance
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" / {name}"));
    title += &instance
        .host()
        .map_or_else(String::new, |host| format!(" on {host}"));
    title += &instance
        .process_id()
        .map_or_else(String::new, |pid| format!(", pid {pid}"));
    let state = text::escaped(&instance.state);
    let state = Colour::of(&state).paint(&state, output.is_coloured());
    let since = text::age(instance.since.0, client.now());
    output.line(&format!(
        "{} (id {}): {state} since {since}",
        text::escaped(&title),
        instance.id
    ))?;
    let sentence = timeline
        .as_ref()
        .and_then(|timeline| timeline["why"].as_str());
    let sentence = sentence.unwrap_or(&instance.why.sentence);
    output.line(&format!("  {}", text::escaped(sentence)))?;
    if let Some(timeline) = &timeline {
        timeline::print(timeline, output)?;
    }
    Ok(is_up)
}
