//! `roster`: the instances, and whether they are alive.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::answer::{Application, Instance, read};
use super::client::{Client, encoded};
use super::output::Output;
use super::table::{Cell, Table};
use super::{Error, Found, text};
use crate::cli::inspect::{Roster, Since};

/// The application of instances that reported none.
pub(super) const UNKNOWN: &str = "unknown";

/// Prints the instances that `roster` selects.
pub(super) async fn print(
    roster: &Roster,
    client: &Client,
    output: &mut Output,
) -> Result<Found, Error> {
    let (path, applications) = match &roster.application {
        None => ("/api/instances".to_owned(), applications(client).await?),
        Some(named) => match one_application(named, client).await? {
            None => return Ok(Found::Nothing),
            Some(application) => {
                let id = application.id;
                let path = format!("/api/applications/{id}/instances");
                (path, HashMap::from([(id, application.label)]))
            }
        },
    };
    let mut printed = Printed {
        since: beginning(roster.since, client.now()),
        applications,
        now: client.now(),
        table: Table::new([
            "APPLICATION",
            "INSTANCE",
            "STATE",
            "SINCE",
            "LAST SEEN",
            "HOST",
            "PID",
            "AGENT",
            "ID",
        ]),
        found: Found::Nothing,
        output,
    };
    let states: Vec<&str> = roster.state.iter().map(|state| state.word()).collect();
    let query = match states.is_empty() {
        true => String::new(),
        false => format!("&state={}", encoded(&states.join(","))),
    };
    client
        .list(&path, &query, |instance| printed.add(instance))
        .await?;
    printed.end()
}

/// The start of the period, by the collector's clock.
pub(super) fn beginning(since: Option<Since>, now: Timestamp) -> Option<Timestamp> {
    since.map(|since| match since {
        Since::At(time) => time,
        Since::Ago(age) => now.checked_sub(age).unwrap_or(Timestamp::MIN),
    })
}

/// The labels of all applications, by id.
pub(super) async fn applications(client: &Client) -> Result<HashMap<i32, String>, Error> {
    let mut labels = HashMap::new();
    client
        .list("/api/applications", "", |value| {
            let Application { id, label } = read(&value)?;
            labels.insert(id, label);
            Ok(())
        })
        .await?;
    Ok(labels)
}

/// The application with this code, or else with this id.
async fn one_application(named: &str, client: &Client) -> Result<Option<Application>, Error> {
    let mut found = None;
    let code = format!("&code={}", encoded(named));
    let take = |value: Value| {
        found = Some(read(&value)?);
        Ok(())
    };
    client.list("/api/applications", &code, take).await?;
    if found.is_some() || !(named == UNKNOWN || named.parse::<i32>().is_ok()) {
        return Ok(found);
    }
    let value = client.get(&format!("/api/applications/{named}")).await?;
    value.as_ref().map(read).transpose()
}

/// The instances that have been printed, or wait until the table is complete.
struct Printed<'a> {
    since: Option<Timestamp>,
    applications: HashMap<i32, String>,
    now: Timestamp,
    table: Table<9>,
    found: Found,
    output: &'a mut Output,
}

impl Printed<'_> {
    fn add(&mut self, mut value: Value) -> Result<(), Error> {
        let instance: Instance = read(&value)?;
        let is_old = |since: Timestamp| instance.since.0.is_none_or(|time| time < since);
        if self.since.is_some_and(is_old) {
            return Ok(());
        }
        self.found = self.found.and(instance.state == "up");
        let id = instance.application_id.unwrap_or(0);
        let application = self.applications.get(&id).map_or(UNKNOWN, String::as_str);
        if self.output.is_json() {
            value["application"] = application.into();
            return Ok(self.output.json(&value)?);
        }
        let age = |time| Cell::new(&text::age(time, self.now));
        let or_none = |text: Option<String>| Cell::new(&text.unwrap_or_default());
        self.table.add([
            Cell::new(application),
            Cell::new(instance.name.as_deref().unwrap_or_default()),
            Cell::state(&instance.state),
            age(instance.since.0),
            age(instance.last_seen_at.0),
            or_none(instance.host()),
            or_none(instance.process_id()),
            Cell::new(&instance.agent()),
            Cell::new(&instance.id.to_string()),
        ]);
        Ok(())
    }

    fn end(self) -> Result<Found, Error> {
        if !self.output.is_json() && self.found != Found::Nothing {
            for line in self.table.lines(self.output.is_coloured()) {
                self.output.line(&line)?;
            }
        }
        Ok(self.found)
    }
}
