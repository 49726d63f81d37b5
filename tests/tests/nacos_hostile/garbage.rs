//! Tests values that no real client sends, in every parameter of every endpoint and in every gRPC message.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rollcall_tests::{
    grpc::raw,
    nacos::{Http, encoded},
    process::Collector,
};
use serde_json::Value;
use tonic::Code;

use crate::{MIB, Victim, request};

const RECORDINGS: [&str; 3] = [
    include_str!("../../golden/nacos/v1.jsonl"),
    include_str!("../../golden/nacos/v2.jsonl"),
    include_str!("../../golden/nacos/v3.jsonl"),
];

/// Every request type of clients of any version, and some types of the server.
const TYPES: [&str; 16] = [
    "InstanceRequest",
    "PersistentInstanceRequest",
    "BatchInstanceRequest",
    "ServiceQueryRequest",
    "ServiceListRequest",
    "SubscribeServiceRequest",
    "NamingFuzzyWatchRequest",
    "HealthCheckRequest",
    "ServerCheckRequest",
    "ConnectionSetupRequest",
    "NotifySubscriberResponse",
    "ClientDetectionResponse",
    "ConfigQueryRequest",
    "ServerLoaderInfoRequest",
    "",
    "\u{0}\u{fffd}",
];

/// Every endpoint of the recordings, with the names of its parameters.
fn endpoints() -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut endpoints = BTreeMap::<_, BTreeSet<String>>::new();
    for line in RECORDINGS.iter().flat_map(|recording| recording.lines()) {
        let call = serde_json::from_str::<Value>(line).expect("a recorded call");
        let text = |key: &str| call[key].as_str().expect("a text").to_owned();
        let names = endpoints.entry((text("method"), text("path"))).or_default();
        for key in ["query", "form"] {
            let entries = call[key].as_object();
            names.extend(
                entries
                    .into_iter()
                    .flat_map(|entries| entries.keys().cloned()),
            );
        }
    }
    endpoints
}

fn nested(depth: usize) -> String {
    "[".repeat(depth)
}

fn values() -> [String; 9] {
    [
        String::new(),
        "\u{0}\u{1}\u{7f}".to_owned(),
        "x".repeat(5_000),
        "../../../etc/passwd".to_owned(),
        "-1".to_owned(),
        "99999999999999999999".to_owned(),
        "NaN".to_owned(),
        "{\"a\":".to_owned(),
        nested(1_000),
    ]
}

#[tokio::test]
async fn garbage_in_every_parameter_is_answered() {
    let victim = Victim::start(Collector::options()).await;
    let http = Http::new(victim.faces.http);
    let none = BTreeMap::new();
    for ((method, path), names) in endpoints() {
        for value in values() {
            let pairs = names.iter().map(|name| (name.as_str(), value.as_str()));
            let text = encoded(pairs);
            let (target, form) = match method.as_str() {
                "GET" | "HEAD" | "DELETE" | "OPTIONS" => (format!("{path}?{text}"), None),
                _ => (path.clone(), Some(text)),
            };
            // A query of many long values exceeds the limit of a request line and is refused for that reason.
            let reply = http.call(&method, &target, form, &none).await;
            reply.unwrap_or_else(|error| panic!("{method} {path} {:.40}: {error}", value));
        }
    }
    // Resets the switches that the attack has set, because the checks below need their defaults.
    for (entry, value) in [
        ("overriddenServerStatus", "null"),
        ("pushEnabled", "true"),
        ("healthCheckEnabled", "true"),
    ] {
        let reset = format!("/nacos/v1/ns/operator/switches?entry={entry}&value={value}");
        let server = BTreeMap::from([("User-Agent".to_owned(), "Nacos-Server".to_owned())]);
        drop(http.call("PUT", &reset, None, &server).await);
    }
    victim.survives(64 * MIB).await;
}

#[tokio::test]
async fn broken_encodings_and_forms_are_answered() {
    let victim = Victim::start(Collector::options()).await;
    let http = Http::new(victim.faces.http);
    let none = BTreeMap::new();
    let instance = "/nacos/v1/ns/instance";
    for query in [
        "serviceName=%",
        "serviceName=%zz&ip=%ff%fe",
        "&&&===&",
        "serviceName=a&serviceName=b&ip=1.1.1.1&port=1",
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let target = format!("{instance}?{query}");
            let reply = http.call(method, &target, None, &none).await;
            reply.unwrap_or_else(|error| panic!("{method} {query}: {error}"));
        }
    }
    for form in [
        "&".repeat(1 << 20),
        "a=b&".repeat(100_000),
        format!("beat={}", nested(100_000)),
        "%".repeat(100_000),
    ] {
        for (method, path) in [("POST", instance), ("PUT", "/nacos/v1/ns/instance/beat")] {
            let reply = http.call(method, path, Some(form.clone()), &none).await;
            reply.unwrap_or_else(|error| panic!("{method} {path} {:.40}: {error}", form));
        }
    }
    victim.survives(64 * MIB).await;
}

#[tokio::test]
async fn garbage_in_every_message_is_answered() {
    let victim = Victim::start(Collector::options()).await;
    let mut connection = victim.client().await;
    for r#type in TYPES {
        for body in bodies() {
            // The call may fail in gRPC itself, for instance because the message is too large. The connection must stay open.
            drop(connection.call(r#type, body.clone()).await);
        }
    }
    for r#type in TYPES {
        for body in bodies() {
            connection.send(r#type, body).await.expect("an open stream");
        }
    }
    let query = request("garbage", serde_json::json!({"cluster": ""})).to_string();
    let reply = connection
        .call("ServiceQueryRequest", query)
        .await
        .expect("a reply");
    assert_eq!(reply.r#type, "QueryServiceResponse", "{reply:?}");
    victim.survives(64 * MIB).await;
}

/// Bodies that are not JSON, or have a shape that no message has.
fn bodies() -> Vec<Vec<u8>> {
    let mut bodies = [
        "",
        "null",
        "[]",
        "5",
        "{}",
        "{nope",
        "\"text\"",
        "{\"instance\":null}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bodies.push(nested(100_000).into_bytes());
    bodies.push(vec![0xff; 1_000]);
    bodies.push(vec![b' '; 1 << 20]);
    bodies.extend(misshapen());
    bodies.extend(instances());
    bodies
}

/// Bodies whose fields have the wrong type.
fn misshapen() -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for wrong in [
        "5",
        "null",
        "{}",
        "[]",
        "-1",
        "1e400",
        "\"\"",
        "\"\\u0000\"",
        "[[[[1]]]]",
        "true",
    ] {
        let fields = [
            "serviceName",
            "groupName",
            "namespace",
            "type",
            "instance",
            "instances",
            "cluster",
            "clusters",
            "subscribe",
            "pageNo",
            "pageSize",
            "groupKeyPattern",
            "receivedGroupKeys",
            "labels",
            "abilityTable",
            "requestId",
        ];
        let wrong = fields.map(|field| format!("\"{field}\":{wrong}")).join(",");
        bodies.push(format!("{{{wrong}}}").into_bytes());
    }
    bodies
}

/// Requests with instances that no client can build.
fn instances() -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for instance in [
        "{\"ip\":5,\"port\":\"x\",\"weight\":[],\"metadata\":5}",
        "{\"ip\":\"1.1.1.1\",\"port\":-1}",
        "{\"ip\":\"1.1.1.1\",\"port\":1e9,\"weight\":1e308}",
        "{\"ip\":\"1.1.1.1\",\"port\":80,\"weight\":-1,\"metadata\":{\"a\":{\"b\":[]}}}",
    ] {
        for kind in [
            "registerInstance",
            "deregisterInstance",
            "batchRegisterInstance",
        ] {
            let body = format!(
                "{{\"namespace\":\"public\",\"groupName\":\"DEFAULT_GROUP\",\"serviceName\":\"garbage\",\"type\":\"{kind}\",\
                 \"instance\":{instance},\"instances\":[{instance},null,5]}}"
            );
            bodies.push(body.into_bytes());
        }
    }
    bodies
}

#[tokio::test]
async fn malformed_messages_do_not_affect_other_clients() {
    let victim = Victim::start(Collector::options()).await;
    for method in [
        "/Request/request",
        "/BiRequestStream/requestBiStream",
        "/Request/none",
        "/",
    ] {
        for bytes in [
            &[0xff; 64][..],
            &[0x12, 0xff, 0xff, 0xff, 0x7f],
            b"",
            b"GET / HTTP/1.1",
        ] {
            let length = u32::try_from(bytes.len()).expect("a short frame");
            for frame in [
                raw::frame(length, bytes),
                raw::frame(u32::MAX, bytes),
                Bytes::copy_from_slice(bytes),
            ] {
                // An empty request keeps the stream open until the deadline of the call, so this case is left out.
                if method == "/BiRequestStream/requestBiStream" && bytes.is_empty() {
                    continue;
                }
                let is_whole =
                    frame.len() == bytes.len() + 5 && frame[1..5] == length.to_be_bytes();
                let answer = raw::call(victim.faces.grpc, method, frame).await;
                let expected: &[Code] = match method {
                    // A message without fields.
                    "/Request/request" if is_whole && bytes.is_empty() => &[Code::Ok],
                    "/Request/request" => &[Code::Internal, Code::OutOfRange],
                    // The collector ends the stream of a peer that is not a Nacos client.
                    "/BiRequestStream/requestBiStream" => &[Code::Ok, Code::Internal],
                    _ => &[Code::Unimplemented],
                };
                let is_expected = answer.as_ref().is_ok_and(|code| expected.contains(code));
                assert!(is_expected, "{method} {bytes:?}: {answer:?}");
            }
        }
    }
    victim.survives(64 * MIB).await;
}
