//! The switches of the reference: settings that an operator changes while the server runs.
//!
//! All switches are kept, shown and stored, so that consoles and scripts work. The switches that are fields of the catalog's
//! [`Switches`] have an effect; the others belong to the reference's own cluster protocol.

use rollcall_catalog::Switches;
use serde_json::{Map, Value, json};

use super::fault::Fault;

/// The longest value of one switch, in bytes.
const MAX_VALUE: usize = 4096;

/// The names of the fields of [`Switches`] in the reference's JSON.
const FIELDS: [&str; 9] = [
    "clientBeatInterval",
    "lightBeatEnabled",
    "healthCheckEnabled",
    "pushEnabled",
    "checkTimes",
    "defaultInstanceEphemeral",
    "defaultCacheMillis",
    "defaultPushCacheMillis",
    "overriddenServerStatus",
];

/// All switches, for v1 and v2.
pub(super) fn shown(switches: &Switches) -> Map<String, Value> {
    let mut values = defaults();
    for (name, text) in &switches.others {
        if let (Some(known), Ok(value)) = (values.get_mut(name), serde_json::from_str(text)) {
            *known = value;
        }
    }
    let Switches {
        client_beat_interval,
        light_beat_enabled,
        health_check_enabled,
        push_enabled,
        check_times,
        default_instance_ephemeral,
        default_cache_millis,
        push_cache_millis,
        overridden_server_status,
        others: _,
    } = switches.clone();
    let fields: [Value; 9] = [
        client_beat_interval.into(),
        light_beat_enabled.into(),
        health_check_enabled.into(),
        push_enabled.into(),
        check_times.into(),
        default_instance_ephemeral.into(),
        default_cache_millis.into(),
        push_cache_millis.into(),
        overridden_server_status.into(),
    ];
    for (name, value) in FIELDS.into_iter().zip(fields) {
        values.insert(name.to_owned(), value);
    }
    values
}

/// All switches, with the names of v3.
pub(super) fn shown_v3(switches: &Switches) -> Map<String, Value> {
    let renamed = shown(switches).into_iter().map(|(name, value)| {
        let language = name
            .strip_prefix("push")
            .and_then(|rest| rest.strip_suffix("Version"));
        match language {
            Some("CSharp") => ("pushVersionOfCsharp".to_owned(), value),
            Some(language) => (format!("pushVersionOf{language}"), value),
            None => (name, value),
        }
    });
    renamed.collect()
}

/// The switches with one of them changed; `None` if `entry` names no switch, which the reference ignores.
///
/// # Errors
/// The value is not valid for the switch.
pub(super) fn changed(
    switches: &Switches,
    entry: &str,
    value: &str,
) -> Result<Option<Switches>, Fault> {
    if value.len() > MAX_VALUE {
        let why = format!("a switch has at most {MAX_VALUE} bytes");
        return Err(Fault::Switch(why));
    }
    let mut values = shown(switches);
    Ok(set(&mut values, entry, value)?.then(|| read(values)))
}

fn read(values: Map<String, Value>) -> Switches {
    let flag = |name, default| values.get(name).and_then(Value::as_bool).unwrap_or(default);
    let number = |name, default| values.get(name).and_then(Value::as_u64).unwrap_or(default);
    let status = values.get("overriddenServerStatus").and_then(Value::as_str);
    let initial = Switches::default();
    Switches {
        client_beat_interval: number("clientBeatInterval", initial.client_beat_interval),
        light_beat_enabled: flag("lightBeatEnabled", initial.light_beat_enabled),
        health_check_enabled: flag("healthCheckEnabled", initial.health_check_enabled),
        push_enabled: flag("pushEnabled", initial.push_enabled),
        check_times: u32::try_from(number("checkTimes", 0))
            .unwrap_or(initial.check_times)
            .max(1),
        default_instance_ephemeral: flag("defaultInstanceEphemeral", true),
        default_cache_millis: number("defaultCacheMillis", initial.default_cache_millis),
        push_cache_millis: number("defaultPushCacheMillis", initial.push_cache_millis),
        overridden_server_status: status.map(str::to_owned),
        others: others(values),
    }
}

/// The switches that are not fields and differ from their defaults.
fn others(values: Map<String, Value>) -> std::collections::BTreeMap<String, String> {
    let defaults = defaults();
    let values = values.into_iter();
    let changed = values.filter(|(name, value)| {
        !FIELDS.contains(&name.as_str()) && defaults.get(name) != Some(value)
    });
    changed
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

/// Changes one switch. Returns `false` if no switch has this name.
fn set(values: &mut Map<String, Value>, entry: &str, value: &str) -> Result<bool, Fault> {
    let (name, value) = match entry {
        "distro" => ("distroEnabled", flag(value)),
        "check" => ("healthCheckEnabled", flag(value)),
        "pushEnabled"
        | "disableAddIP"
        | "sendBeatOnly"
        | "enableStandalone"
        | "defaultInstanceEphemeral"
        | "lightBeatEnabled"
        | "autoChangeHealthCheckEnabled" => (entry, flag(value)),
        "distroThreshold" => ("distroThreshold", share(value)?),
        "clientBeatInterval" => (entry, at_least(value, 1_000, "clientBeatInterval")?),
        "pushCacheMillis" => (
            "defaultPushCacheMillis",
            at_least(value, 10_000, "min cache time for http or tcp")?,
        ),
        "defaultCacheMillis" => (entry, at_least(value, 1_000, "min default cache time ")?),
        "serviceStatusSynchronizationPeriodMillis" => (entry, at_least(value, 5_000, entry)?),
        "serverStatusSynchronizationPeriodMillis" => (entry, at_least(value, 1_000, entry)?),
        "healthCheckTimes" => ("checkTimes", at_least(value, 1, "healthCheckTimes")?),
        "distroServerExpiredMillis" => (entry, at_least(value, 1, entry)?),
        "masters" => (entry, value.split(',').map(Value::from).collect()),
        "limitedUrlMap" => (entry, limited_urls(value)?),
        "overriddenServerStatus" => (entry, status(value)?),
        "pushVersion" => return push_version(values, value),
        "batch" => return batch(values, value),
        _ => return Ok(false),
    };
    values.insert(name.to_owned(), value);
    Ok(true)
}

fn flag(text: &str) -> Value {
    text.eq_ignore_ascii_case("true").into()
}

fn at_least(text: &str, least: u64, what: &str) -> Result<Value, Fault> {
    let number = text
        .parse::<u64>()
        .map_err(|_no_number| Fault::Switch(format!("For input string: \"{text}\"")))?;
    if number < least {
        return Err(Fault::Switch(format!("{what} is too small(<{least})")));
    }
    Ok(Value::from(number))
}

fn share(text: &str) -> Result<Value, Fault> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share.is_finite() => Ok(share.into()),
        _ => Err(Fault::Switch(
            "distroThreshold can not be zero or negative".to_owned(),
        )),
    }
}

fn status(text: &str) -> Result<Value, Fault> {
    match text {
        "null" => Ok(Value::Null),
        "UP" | "DOWN" | "STARTING" | "PAUSED" | "WRITE_ONLY" | "READ_ONLY" => Ok(text.into()),
        _ => Err(Fault::Switch(format!(
            "{text:?} is not a server status: UP, DOWN, STARTING, PAUSED, WRITE_ONLY, READ_ONLY, null"
        ))),
    }
}

/// `url:code,url:code`.
fn limited_urls(text: &str) -> Result<Value, Fault> {
    let pair = |pair: &str| {
        let (url, code) = pair.rsplit_once(':')?;
        let code: u16 = code.parse().ok()?;
        (!url.is_empty()).then(|| (url.to_owned(), Value::from(code)))
    };
    let pairs = text.split(',').filter(|part| !part.is_empty()).map(pair);
    let map: Option<Map<_, _>> = pairs.collect();
    map.map(Value::from)
        .ok_or_else(|| Fault::Switch("illegal format, must be: url:code,url:code".to_owned()))
}

/// A value such as `java:1.0.0`.
fn push_version(values: &mut Map<String, Value>, text: &str) -> Result<bool, Fault> {
    let (language, version) = text.split_once(':').unwrap_or((text, ""));
    let name = match language {
        "java" => "pushJavaVersion",
        "python" => "pushPythonVersion",
        "c" => "pushCVersion",
        "go" => "pushGoVersion",
        "csharp" => "pushCSharpVersion",
        _ => {
            return Err(Fault::Switch(format!(
                "unsupported client type: {language}"
            )));
        }
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if version.split('.').count() != 3 || !version.split('.').all(is_number) {
        return Err(Fault::Switch(
            "illegal version, must match: [0-9]+.[0-9]+.[0-9]+".to_owned(),
        ));
    }
    values.insert(name.to_owned(), version.into());
    Ok(true)
}

/// Checks a value as the call that sets this one switch does.
fn check(name: &str, value: &Value) -> Result<(), Fault> {
    let entry = match name {
        "defaultPushCacheMillis" => "pushCacheMillis",
        "checkTimes" => "healthCheckTimes",
        "clientBeatInterval"
        | "defaultCacheMillis"
        | "serviceStatusSynchronizationPeriodMillis"
        | "serverStatusSynchronizationPeriodMillis"
        | "distroServerExpiredMillis"
        | "distroThreshold"
        | "overriddenServerStatus" => name,
        _ => return Ok(()),
    };
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    set(&mut Map::new(), entry, &text).map(drop)
}

/// Sets several switches at once from JSON. The value of every known switch must have its type and range.
fn batch(values: &mut Map<String, Value>, text: &str) -> Result<bool, Fault> {
    let Ok(Value::Object(given)) = serde_json::from_str(text) else {
        return Err(Fault::Switch("json param invalid.".to_owned()));
    };
    let same_type = |one: &Value, other: &Value| {
        std::mem::discriminant(one) == std::mem::discriminant(other)
            || one.is_null()
            || other.is_null()
    };
    for (name, value) in given {
        match values.get_mut(&name) {
            Some(known) if same_type(known, &value) => {
                check(&name, &value)?;
                *known = value;
            }
            Some(_) => {
                return Err(Fault::Switch(format!("json param invalid: {name}")));
            }
            None => {}
        }
    }
    Ok(true)
}

fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "masters": null,
        "adWeightMap": {},
        "defaultPushCacheMillis": 10_000,
        "clientBeatInterval": 5_000,
        "defaultCacheMillis": 3_000,
        "distroThreshold": 0.7,
        "healthCheckEnabled": true,
        "autoChangeHealthCheckEnabled": true,
        "distroEnabled": true,
        "enableStandalone": true,
        "pushEnabled": true,
        "checkTimes": 3,
        "httpHealthParams": {"max": 5_000, "min": 500, "factor": 0.85},
        "tcpHealthParams": {"max": 5_000, "min": 1_000, "factor": 0.75},
        "mysqlHealthParams": {"max": 3_000, "min": 2_000, "factor": 0.65},
        "incrementalList": [],
        "serverStatusSynchronizationPeriodMillis": 2_000,
        "serviceStatusSynchronizationPeriodMillis": 5_000,
        "disableAddIP": false,
        "sendBeatOnly": false,
        "lightBeatEnabled": true,
        "limitedUrlMap": {},
        "distroServerExpiredMillis": 10_000,
        "pushGoVersion": "0.1.0",
        "pushJavaVersion": "0.1.0",
        "pushPythonVersion": "0.4.3",
        "pushCVersion": "1.0.12",
        "pushCSharpVersion": "0.9.0",
        "enableAuthentication": false,
        "overriddenServerStatus": null,
        "defaultInstanceEphemeral": true,
        "healthCheckWhiteList": [],
        "name": "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00",
        "checksum": null
    });
    match defaults {
        Value::Object(defaults) => defaults,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
