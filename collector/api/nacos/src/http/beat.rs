//! Heartbeats of clients without a connection.
//!
//! The parameters of the call identify the service; the beat itself does not. A beat that describes an unknown instance registers
//! it. Node, Python and old Java clients rely on this to recover, because they ignore the code of the answer.

use std::{borrow::Cow, time::Duration};

use axum::{body::Body, http::Response};
use rollcall_catalog::Beat;
use rollcall_domain::catalog::{Endpoint, Kind, Registration};
use serde::Deserialize;
use serde_json::json;

use super::{
    Face,
    fault::{At, Fault, Generation},
    instance, metadata, registration,
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};

/// The codes of an answer.
const OK: u32 = 10_200;
const NOT_FOUND: u32 = 20_404;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        PUT "/v1/ns/instance/beat" Write Always beat;
        ANY "/v1/ns/api/clientBeat" Write Always beat;
        PUT "/v2/ns/instance/beat" Write Always beat;
        POST "/v3/client/ns/instance" Write Always register_or_beat;
    }
    .into()
}

/// The instance that a beat describes. Other keys are ignored.
#[derive(Debug, Deserialize)]
struct Described<'a> {
    #[serde(default, borrow)]
    ip: Cow<'a, str>,
    #[serde(default)]
    port: u16,
    #[serde(default, borrow)]
    cluster: Option<Cow<'a, str>>,
    weight: Option<f64>,
    #[serde(borrow)]
    metadata: Option<metadata::Object<'a>>,
}

async fn beat(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let described = request.params.get("beat").map(parse).transpose()?;
    let port = request.params.port("port")?.unwrap_or(0);
    let endpoint = match &described {
        Some(beat) => {
            let named = beat
                .cluster
                .as_deref()
                .filter(|name| !name.trim().is_empty());
            Endpoint::new(&beat.ip, beat.port, named.unwrap_or(request.cluster()))
        }
        None if request.params.get("ip").is_none() => return Ok(unknown(face, request)),
        None => Endpoint::new(request.params.text("ip"), port, request.cluster()),
    }?;
    let registration = described
        .map(|beat| beat.registration(endpoint.clone()))
        .transpose()?;
    let result = face
        .catalog_for(request)
        .beat(&key, &endpoint, registration);
    let result = result.map_err(|error| Fault::of(error, At::UpdateInstance, &key))?;
    Ok(answer(face, request, result))
}

fn parse(text: &str) -> Result<Described<'_>, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Beat(error.to_string()))
}

impl Described<'_> {
    fn registration(self, endpoint: Endpoint) -> Result<Registration, Fault> {
        let metadata =
            metadata::from_object(self.metadata.unwrap_or_default()).ok_or_else(|| {
                Fault::Beat("the metadata has values that are not strings".to_owned())
            })?;
        let weight = self.weight.unwrap_or(1.0);
        if !(0.0..=registration::MAX_WEIGHT).contains(&weight) {
            return Err(Fault::Weight);
        }
        Ok(Registration {
            weight,
            metadata: metadata.into(),
            ..Registration::new(endpoint, Kind::Ephemeral)
        })
    }
}

fn answer(face: &Face, request: &Request<'_>, beat: Beat) -> Response<Body> {
    match beat {
        Beat::Renewed(interval) | Beat::Registered(interval) | Beat::Deregistered(interval) => {
            let light = face.catalog.switches().light_beat_enabled;
            known(request, interval, light)
        }
        Beat::Unknown(_) => unknown(face, request),
    }
}

fn known(request: &Request<'_>, interval: Duration, is_light: bool) -> Response<Body> {
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    if request.generation == Generation::V1 {
        let json = format!(
            r#"{{"clientBeatInterval":{millis},"code":{OK},"lightBeatEnabled":{is_light}}}"#
        );
        return reply::encoded(json);
    }
    reply::success(&json!({
        "code": OK, "clientBeatInterval": millis, "lightBeatEnabled": is_light
    }))
}

/// Requests a registration from the client. As in 1.4, the answer lacks `lightBeatEnabled`, so that the next beat of a Java client
/// describes the instance.
fn unknown(face: &Face, request: &Request<'_>) -> Response<Body> {
    let switches = face.catalog.switches();
    let interval = switches.client_beat_interval;
    if request.generation == Generation::V1 {
        return reply::json(&json!({ "clientBeatInterval": interval, "code": NOT_FOUND }));
    }
    reply::success(&json!({
        "code": NOT_FOUND,
        "clientBeatInterval": interval,
        "lightBeatEnabled": switches.light_beat_enabled
    }))
}

/// Registers or renews: v3 uses one call for both.
async fn register_or_beat(face: &Face, request: &Request<'_>) -> Reply {
    if !request.params.strict_flag("heartBeat") {
        return instance::register(face, request).await;
    }
    let (key, endpoint) = (request.service()?, request.endpoint()?);
    match face.catalog_for(request).beat(&key, &endpoint, None) {
        Ok(Beat::Unknown(_)) => Ok(reply::not_found_v3()),
        Ok(_) => Ok(reply::done(request.generation)),
        Err(error) => Err(Fault::of(error, At::UpdateInstance, &key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_read() {
        for text in [
            r#"{"ip":"10.0.0.1","port":8080}"#,
            r#"{"cluster":"c1","ip":"10.0.0.3","metadata":{},"period":5000,"port":8081,"scheduled":false,"serviceName":"g@@a","stopped":false,"weight":1.0}"#,
            r#"{"serviceName":"a","ip":"10.0.0.1","port":80,"weight":1,"metadata":null,"cluster":null,"cpu":0.1,"load":0,"rt":1,"qps":2,"mem":3,"ak":""}"#,
        ] {
            let beat = parse(text).unwrap();
            let endpoint = Endpoint::new(&beat.ip, beat.port, "").unwrap();
            let registration = beat.registration(endpoint).unwrap();
            assert!((registration.weight - 1.0).abs() < 1e-9);
            assert!(registration.metadata.is_empty() && registration.enabled);
        }
    }

    #[test]
    fn garbage_in_a_beat_is_the_clients_fault() {
        for text in [
            "",
            "{not json",
            "[]",
            r#"{"port":70000}"#,
            r#"{"port":"x"}"#,
        ] {
            assert!(matches!(parse(text), Err(Fault::Beat(_))), "{text}");
        }
        let nested = parse(r#"{"ip":"a","port":1,"metadata":{"a":{}}}"#).unwrap();
        let endpoint = Endpoint::new("a", 1, "").unwrap();
        assert!(nested.registration(endpoint).is_err());
    }
}
