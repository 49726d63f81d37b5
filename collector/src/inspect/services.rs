//! The Nacos services of `why`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

mod gone;

use super::answer::{Time, read};
use super::client::{Client, Pages, encoded};
use super::output::{Colour, Output};
use super::{Error, Found, MAX_EXPLAINED, text, timeline};
use crate::cli::inspect::Why;

/// The most services that are searched for an endpoint, one request each.
const MAX_SEARCHED: usize = 2_000;

/// A service.
#[derive(Clone, Debug, Deserialize)]
struct Service {
    namespace: String,
    group: String,
    service: String,
    instances: u64,
    healthy: u64,
}

/// An instance of a service.
#[derive(Debug, Deserialize)]
struct Instance {
    ip: String,
    port: u16,
    cluster: String,
    healthy: bool,
    enabled: bool,
    publisher: String,
    client: Option<String>,
    last_beat_at: Option<Time>,
    /// Absent in the answer of an earlier release.
    has_beaten: Option<bool>,
}

/// Explains the services with a name, or the instances at an endpoint.
pub(super) async fn print(why: &Why, client: &Client, output: &mut Output) -> Result<Found, Error> {
    let what = &*why.what;
    let endpoint = what.rsplit_once(':');
    let endpoint = endpoint.and_then(|(ip, port)| Some((ip, port.parse::<u16>().ok()?)));
    let endpoint = endpoint.filter(|(ip, _)| !ip.is_empty());
    let mut found = Found::Nothing;
    if let Some((ip, port)) = endpoint {
        let services = services(why, "", client).await?;
        if services.len() > MAX_SEARCHED {
            let message = format!(
                "there are more than {MAX_SEARCHED} services to search for {what}: name its service, or --namespace"
            );
            return Err(Error::Usage(message));
        }
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        for service in &services {
            let mut pages = instances(service, client);
            while let Some(page) = pages.next().await? {
                for instance in page {
                    if instance["ip"] == ip && instance["port"] == port {
                        found = found.and(explain(service, &instance, client, output).await?);
                    }
                }
            }
        }
        if found != Found::Nothing {
            return Ok(found);
        }
        let query = format!("ip={}&port={port}{}", encoded(ip), of_namespace(why));
        return Ok(found.with(gone::print(&query, client, output).await?));
    }
    let (group, name) = match what.split_once("@@") {
        Some((group, name)) => (Some(group), name),
        None => (None, what),
    };
    let named = services(why, name, client).await?;
    let is_it = |it: &&Service| it.service == name && group.is_none_or(|group| it.is_of(group));
    for service in named.iter().filter(is_it) {
        found = found.and(explain_all(service, client, output).await?);
    }
    if found == Found::Up || name.is_empty() {
        return Ok(found);
    }
    let query = |group: Option<&str>, namespace: &str| {
        let group = group.map_or(String::new(), |group| format!("&group={}", encoded(group)));
        format!("service={}{group}{namespace}", encoded(name))
    };
    let gone = gone::print(&query(group, &of_namespace(why)), client, output).await?;
    found = found.with(gone);
    // The name as it is printed, with the namespace in front of the group.
    if let Some((namespace, group)) = group.and_then(|group| group.split_once('/'))
        && gone == Found::Nothing
        && why.namespace.as_ref().is_none_or(|it| *it == namespace)
    {
        let namespace = format!("&namespace={}", encoded(namespace));
        let query = query(Some(group), &namespace);
        found = found.with(gone::print(&query, client, output).await?);
    }
    Ok(found)
}

fn of_namespace(why: &Why) -> String {
    let namespace = why.namespace.as_ref();
    namespace.map_or(String::new(), |it| format!("&namespace={}", encoded(it)))
}

/// The services whose name or group contains `text`; none if the Nacos faces are off.
async fn services(why: &Why, text: &str, client: &Client) -> Result<Vec<Service>, Error> {
    let mut query = String::new();
    for (name, value) in [
        ("text", Some(text)),
        ("namespace", why.namespace.as_deref()),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            query += &format!("&{name}={}", encoded(value));
        }
    }
    let mut services = Vec::new();
    let mut pages = client.pages_if_served("/api/services", &query);
    while let Some(page) = pages.next().await? {
        for value in &page {
            services.push(read(value)?);
        }
    }
    Ok(services)
}

/// The instances of a service; none if it was deleted since it was listed.
fn instances<'a>(service: &Service, client: &'a Client) -> Pages<'a> {
    let query = format!("&{}", service.query());
    client.pages_if_served("/api/services/instances", &query)
}

/// Explains a service and its unhealthy instances; the text output explains only the first ones. Returns whether all instances are
/// up.
async fn explain_all(
    service: &Service,
    client: &Client,
    output: &mut Output,
) -> Result<bool, Error> {
    if !output.is_json() {
        let Service {
            instances, healthy, ..
        } = service;
        let name = text::escaped(&service.name());
        output.line(&format!(
            "service {name}: {instances} instances, {healthy} healthy"
        ))?;
    }
    let mut is_up = service.instances > 0;
    let mut not_up = 0;
    let mut pages = instances(service, client);
    while let Some(page) = pages.next().await? {
        for value in page {
            let instance: Instance = read(&value)?;
            if instance.is_up() {
                continue;
            }
            is_up = false;
            not_up += 1;
            if not_up <= MAX_EXPLAINED || output.is_json() {
                explain(service, &value, client, output).await?;
            }
        }
    }
    if not_up > MAX_EXPLAINED && !output.is_json() {
        let more = not_up - MAX_EXPLAINED;
        output.line(&format!("and {more} more that are not up"))?;
    }
    Ok(is_up)
}

/// Explains one instance, and returns whether it is up.
async fn explain(
    service: &Service,
    value: &Value,
    client: &Client,
    output: &mut Output,
) -> Result<bool, Error> {
    let instance: Instance = read(value)?;
    let Instance {
        ip, port, cluster, ..
    } = &instance;
    let query = format!(
        "{}&ip={}&port={port}&cluster={}",
        service.query(),
        encoded(ip),
        encoded(cluster)
    );
    let path = format!("/api/services/instances/timeline?{query}");
    let timeline = client.get_if_served(&path).await?;
    if output.is_json() {
        let mut answer = timeline.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        if answer["instance"].is_null() {
            answer["instance"] = value.clone();
        }
        answer["service"] = service.name().into();
        output.json(&answer)?;
        return Ok(instance.is_up());
    }
    let name = format!("{ip}:{port} of {} (cluster {cluster})", service.name());
    let state = instance.state();
    let state = Colour::of(state).paint(state, output.is_coloured());
    let evidence = text::escaped(&instance.evidence(client.now()));
    output.line(&format!("{}: {state}, {evidence}", text::escaped(&name)))?;
    if let Some(timeline) = &timeline {
        if let Some(why) = timeline["why"].as_str() {
            output.line(&format!("  {}", text::escaped(why)))?;
        }
        timeline::print(timeline, output)?;
    }
    Ok(instance.is_up())
}

// === impl Service ===

impl Service {
    /// Whether this is its group, or its namespace and group as in [`Service::name`].
    fn is_of(&self, group: &str) -> bool {
        let named = group.strip_prefix(&*self.namespace);
        let named = named.and_then(|rest| rest.strip_prefix('/'));
        self.group == group || named.is_some_and(|group| self.group == group)
    }

    fn name(&self) -> String {
        format!("{}/{}@@{}", self.namespace, self.group, self.service)
    }

    fn query(&self) -> String {
        let Self {
            namespace,
            group,
            service,
            ..
        } = self;
        format!(
            "namespace={}&group={}&service={}",
            encoded(namespace),
            encoded(group),
            encoded(service)
        )
    }
}

// === impl Instance ===

impl Instance {
    fn is_up(&self) -> bool {
        self.healthy && self.enabled
    }

    /// Its state in the words of the roster; `offline` if its client or an operator disabled it.
    fn state(&self) -> &'static str {
        match (self.enabled, self.healthy) {
            (false, _) => "offline",
            (true, true) => "up",
            (true, false) => "down",
        }
    }

    /// The publisher that keeps it registered, and its last beat. The publisher of an instance registered over HTTP is the
    /// instance's own address, whichever caller registered it.
    fn evidence(&self, now: Timestamp) -> String {
        let client = self.client.as_ref().map(|client| format!(" ({client})"));
        let beat = self.last_beat_at.as_ref();
        let beat = beat.map(|beat| {
            let age = text::age(beat.0, now);
            match self.has_beaten {
                Some(false) => format!(", no beat since its registration {age}"),
                Some(true) | None => format!(", last beat {age}"),
            }
        });
        let by = if self.publisher == format!("{}:{}", self.ip, self.port) {
            "over HTTP".to_owned()
        } else {
            format!("by {}", self.publisher)
        };
        format!(
            "registered {by}{}{}",
            client.unwrap_or_default(),
            beat.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_group_and_the_name_that_is_printed() {
        let service = Service {
            namespace: "public".to_owned(),
            group: "a/b".to_owned(),
            service: "v6".to_owned(),
            instances: 1,
            healthy: 1,
        };
        let name = service.name();
        let (group, _) = name.split_once("@@").unwrap();
        for (group, is_its) in [
            (group, true),
            ("a/b", true),
            ("b", false),
            ("public", false),
            ("other/a/b", false),
        ] {
            assert_eq!(service.is_of(group), is_its, "{group}");
        }
    }
}
