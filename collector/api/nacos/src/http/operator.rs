//! Switches, metrics, and the state of this server.

use axum::http::Method;
use rollcall_catalog::Counts;
use serde_json::{Value, json};

use super::{
    Face,
    fault::{Fault, Generation},
    machine::Figures,
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
    switches,
};

pub(super) fn routes() -> Vec<Route> {
    routes! {
        GET "/v1/ns/operator/switches" Admin Always show;
        PUT "/v1/ns/operator/switches" Admin Always set;
        GET "/v1/ns/ops/switches" Admin Always show;
        PUT "/v1/ns/ops/switches" Admin Always set;
        GET "/v2/ns/operator/switches" Admin Always show;
        PUT "/v2/ns/operator/switches" Admin Always set;
        GET "/v2/ns/ops/switches" Admin Always show;
        PUT "/v2/ns/ops/switches" Admin Always set;
        GET "/v3/admin/ns/ops/switches" Admin Always show;
        PUT "/v3/admin/ns/ops/switches" Admin Always set;
        GET "/v1/ns/operator/metrics" Open Always metrics;
        GET "/v1/ns/ops/metrics" Open Always metrics;
        GET "/v2/ns/operator/metrics" Open Always metrics;
        GET "/v2/ns/ops/metrics" Open Always metrics;
        GET "/v3/admin/ns/ops/metrics" Open Always metrics;
        ANY "/v1/ns/operator/push/state" Admin Always push_state;
        ANY "/v1/ns/ops/push/state" Admin Always push_state;
        PUT "/v1/ns/operator/log" Admin Always log;
        PUT "/v1/ns/ops/log" Admin Always log;
        PUT "/v3/admin/ns/ops/log" Admin Always log;
    }
    .into()
}

async fn show(face: &Face, request: &Request<'_>) -> Reply {
    let switches = face.catalog.switches();
    let shown = if request.generation == Generation::V3 {
        switches::shown_v3(&switches)
    } else {
        switches::shown(&switches)
    };
    Ok(reply::data(request.generation, &shown))
}

async fn set(face: &Face, request: &Request<'_>) -> Reply {
    let entry = request.params.required("entry")?.to_owned();
    let value = request.params.required("value")?.to_owned();
    // Checked first, so that a wrong value is refused. The update checks it again on the switches as they are then.
    if switches::changed(&face.catalog.switches(), &entry, &value)?.is_some() {
        let update = move |present: &mut rollcall_catalog::Switches| {
            if let Ok(Some(changed)) = switches::changed(present, &entry, &value) {
                *present = changed;
            }
        };
        face.catalog.set_switches(update).await?;
    }
    Ok(reply::done(request.generation))
}

/// The status that 1.x clients read, with counts. 2.x and later request the counts with `onlyStatus=false`.
async fn metrics(face: &Face, request: &Request<'_>) -> Reply {
    let status = face.status();
    let only_status = request.params.get("onlyStatus");
    let is_short = match only_status {
        Some(only) => !only.eq_ignore_ascii_case("false"),
        None => request.generation != Generation::V1,
    };
    if is_short {
        return Ok(reply::data(
            request.generation,
            &json!({ "status": status }),
        ));
    }
    let (counts, figures) = (face.catalog.counts(), face.machine.read());
    let mut shown = if only_status.is_none() {
        metrics_v1(&status, &counts)
    } else {
        metrics_v2(&status, &counts)
    };
    if let (true, Some(shown)) = (request.generation != Generation::V3, shown.as_object_mut()) {
        let Figures { cpu, load, mem } = figures;
        for (name, figure) in [("cpu", cpu), ("load", load), ("mem", mem)] {
            shown.insert(name.to_owned(), figure.into());
        }
    }
    Ok(reply::data(request.generation, &shown))
}

fn metrics_v1(status: &str, counts: &Counts) -> Value {
    let instances = counts.registry.ephemeral + counts.registry.persistent;
    json!({
        "status": status,
        "serviceCount": counts.registry.services,
        "instanceCount": instances,
        "raftNotifyTaskCount": 0,
        "responsibleServiceCount": counts.registry.services,
        "responsibleInstanceCount": instances.saturating_sub(counts.registry.of_members),
    })
}

fn metrics_v2(status: &str, counts: &Counts) -> Value {
    let registry = &counts.registry;
    let instances = registry.ephemeral + registry.persistent;
    let addresses = registry.publishers.saturating_sub(counts.connections);
    let clients = counts.connections + addresses;
    json!({
        "status": status,
        "serviceCount": registry.services,
        "instanceCount": instances,
        "subscribeCount": counts.subscriptions,
        "responsibleInstanceCount": instances.saturating_sub(registry.of_members),
        "clientCount": clients,
        "connectionBasedClientCount": counts.connections,
        "ephemeralIpPortClientCount": addresses.min(registry.ephemeral),
        "persistentIpPortClientCount": addresses.min(registry.persistent),
        "responsibleClientCount": clients,
    })
}

async fn push_state(face: &Face, _: &Request<'_>) -> Reply {
    let counts = face.push.counts();
    let total = counts.acknowledged + counts.failed;
    let part = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let ratio = if total == 0 {
        json!(0)
    } else {
        json!(part(counts.acknowledged) / part(total))
    };
    Ok(reply::json(&json!({
        "succeed": counts.acknowledged, "total": total, "ratio": ratio, "reset": false
    })))
}

/// Accepted and ignored: the log level of this server is fixed at its start.
async fn log(_: &Face, request: &Request<'_>) -> Reply {
    request.params.required("logName")?;
    request.params.required("logLevel")?;
    Ok(reply::done(request.generation))
}

impl Face {
    /// The status that clients see: the one that an operator set, or the actual one.
    pub(super) fn status(&self) -> String {
        let set = self.catalog.switches().overridden_server_status.clone();
        set.unwrap_or_else(|| {
            let status = if self.catalog.is_complete() {
                "UP"
            } else {
                "STARTING"
            };
            status.to_owned()
        })
    }

    /// Refuses a call that the status set by an operator does not admit: READ_ONLY admits reads, WRITE_ONLY changes.
    pub(super) fn check_status(&self, request: &Request<'_>) -> Result<(), Fault> {
        let switches = self.catalog.switches();
        let Some(status) = &switches.overridden_server_status else {
            return Ok(());
        };
        let is_read = request.method == Method::GET;
        match &**status {
            "UP" => Ok(()),
            "READ_ONLY" if is_read => Ok(()),
            "WRITE_ONLY" if !is_read => Ok(()),
            status => Err(Fault::Status(status.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_other_members_are_counted_and_not_called_its_own() {
        let mut counts = Counts::default();
        counts.registry.ephemeral = 5;
        counts.registry.persistent = 2;
        counts.registry.of_members = 3;
        for shown in [metrics_v1("UP", &counts), metrics_v2("UP", &counts)] {
            assert_eq!(shown["instanceCount"], 7);
            assert_eq!(shown["responsibleInstanceCount"], 4);
        }
    }
}
