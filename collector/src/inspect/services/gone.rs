//! Instances of services that are no longer registered: when they ended, and why.

use serde_json::Value;

use super::super::{Error, Found, MAX_EXPLAINED, client::Client, output::Output, text, timeline};

/// The kinds of events after which an instance is not registered.
const ENDS: [&str; 6] = [
    "deregistered",
    "replaced",
    "connection_ended",
    "expired",
    "member_removed",
    "member_left",
];

/// Explains the instances that the parameters in `query` select and that are no longer registered, beginning with the one that
/// ended last.
pub(super) async fn print(
    query: &str,
    client: &Client,
    output: &mut Output,
) -> Result<Found, Error> {
    let path = format!("/api/services/instances/timeline?{query}");
    let Some(mut answer) = client.get_if_served(&path).await? else {
        return Ok(Found::Nothing);
    };
    // A release without this list answers with one timeline, or refuses.
    let Value::Array(items) = answer["items"].take() else {
        return Ok(Found::Nothing);
    };
    let most = if output.is_json() {
        usize::MAX
    } else {
        MAX_EXPLAINED
    };
    let mut gone = items.into_iter().filter(is_gone);
    let mut found = Found::Nothing;
    for item in gone.by_ref().take(most) {
        found = found.and(false);
        explain(item, output)?;
    }
    let more = gone.count();
    if more > 0 {
        output.line(&format!("and {more} more that are no longer registered"))?;
    }
    Ok(found)
}

fn last(item: &Value) -> Option<&Value> {
    item["events"].as_array()?.last()
}

fn is_gone(item: &Value) -> bool {
    let kind = last(item).and_then(|last| last["kind"].as_str());
    kind.is_some_and(|kind| ENDS.contains(&kind))
}

fn explain(mut item: Value, output: &mut Output) -> Result<(), Error> {
    let subject = last(&item).map(|last| last["subject"].clone());
    let subject = subject.unwrap_or_default();
    let word = |key: &str| text::escaped(subject[key].as_str().unwrap_or("-"));
    let service = format!(
        "{}/{}@@{}",
        word("namespace"),
        word("group"),
        word("service")
    );
    if output.is_json() {
        item["service"] = service.into();
        return Ok(output.json(&item)?);
    }
    let ended = last(&item).and_then(|last| last["time"].as_str());
    let ended = text::escaped(ended.unwrap_or("-"));
    output.line(&format!(
        "{}:{} of {service} (cluster {}): not registered since {ended}",
        word("ip"),
        subject["port"],
        word("cluster"),
    ))?;
    let why = item["why"].as_str().unwrap_or_default();
    output.line(&format!("  {}", text::escaped(why)))?;
    Ok(timeline::print(&item, output)?)
}
