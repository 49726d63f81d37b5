//! Compares the answers with those of real servers. Each file in `golden` is one recorded message.

use prost::Message as _;
use serde_json::{Value, json};

use super::*;
use crate::grpc::{frame::PREFIX, wire};

/// The type and the body of a frame.
fn read(frame: &Frame) -> (String, Value) {
    let whole = [&*frame.head, &*frame.tail].concat();
    let payload = wire::Payload::decode(&whole[PREFIX..]).unwrap();
    let body = payload.body.unwrap();
    assert_eq!(body.type_url, "");
    let body = serde_json::from_slice(&body.value).unwrap();
    (payload.metadata.unwrap().r#type, body)
}

/// No message contains a null, which some clients cannot read.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

fn assert_is(frame: &Frame, kind: &str, expected: &Value) {
    let (name, body) = read(frame);
    assert_eq!(name, kind);
    assert_eq!(&body, expected);
    assert!(!has_null(&body));
}

#[test]
fn answers_are_those_of_recorded_servers() {
    assert_is(
        &server_check("1795624927111_127.0.0.1_41564"),
        "ServerCheckResponse",
        &json!({"resultCode":200,"errorCode":0,"connectionId":"1795624927111_127.0.0.1_41564","supportAbilityNegotiation":true,"success":true}),
    );
    assert_is(
        &error(code::UNREGISTERED, "Connection is unregistered."),
        "ErrorResponse",
        &json!({"resultCode":500,"errorCode":301,"message":"Connection is unregistered.","success":false}),
    );
    assert_is(
        &health_check(),
        "HealthCheckResponse",
        &json!({"resultCode":200,"errorCode":0,"success":true}),
    );
    assert_is(
        &done(Naming::PersistentInstance, "deregisterInstance"),
        "InstanceResponse",
        &json!({"resultCode":200,"errorCode":0,"type":"deregisterInstance","success":true}),
    );
    assert_is(
        &list(3, ["g.p", "a\"b"].into_iter()),
        "ServiceListResponse",
        &json!({"resultCode":200,"errorCode":0,"count":3,"serviceNames":["g.p","a\"b"],"success":true}),
    );
    assert_is(
        &watching(),
        "NamingFuzzyWatchResponse",
        &json!({"resultCode":200,"errorCode":0,"success":true}),
    );
}

#[test]
fn every_push_has_headers_and_every_acknowledged_message_a_number() {
    let pattern = fuzzy::Pattern::parse("public>>G>>*").unwrap();
    let name = fuzzy::Name {
        group: "G".into(),
        service: "s".into(),
    };
    let change = fuzzy::Change {
        service: name,
        is_added: true,
    };
    let sync = fuzzy::Message::Sync {
        is_first: true,
        changes: vec![change.clone()],
        total: 1,
        current: 1,
    };
    let pushes = [
        notify("10.0.0.1", 7, 5, r#""name":"s"}}"#.into()),
        detection("10.0.0.1", 7),
        reset("10.0.0.1", 7, "c"),
        watch("10.0.0.1", 7, &pattern, &sync),
        watch("10.0.0.1", 7, &pattern, &fuzzy::Message::Finish),
        watch("10.0.0.1", 7, &pattern, &fuzzy::Message::Change(change)),
    ];
    for push in &pushes {
        let (kind, body) = read(push);
        assert_eq!(body["headers"], json!({}), "{kind}");
        assert_eq!(body["requestId"], json!("7"), "{kind}");
        assert!(!has_null(&body), "{kind}");
    }
    let (_, body) = read(&pushes[3]);
    let context = json!([{"serviceKey":"public@@G@@s","changedType":"ADD_SERVICE"}]);
    assert_eq!(body["contexts"], context);
    assert_eq!(body["syncType"], "FUZZY_WATCH_INIT_NOTIFY");
}

#[test]
fn a_set_up_names_only_existing_abilities() {
    assert_is(
        &setup_ack("10.0.0.1"),
        "SetupAckRequest",
        &json!({"headers":{},"abilityTable":{"supportPersistentInstanceByGrpc":true,"fuzzyWatch":true},"module":"internal"}),
    );
}

#[test]
fn a_refusal_has_the_type_of_the_answer_and_the_fields_that_clients_require() {
    for naming in Naming::ALL {
        let (kind, body) = read(&Refusal::new(code::DENIED, "no").into_frame(naming));
        assert_eq!(kind, naming.response());
        assert_eq!(
            (&body["resultCode"], &body["errorCode"]),
            (&json!(500), &json!(403))
        );
        assert_eq!(body["success"], json!(false));
        match naming {
            Naming::ServiceQuery | Naming::Subscribe => {
                let service = body["serviceInfo"].as_object().unwrap();
                for key in [
                    "name",
                    "groupName",
                    "clusters",
                    "cacheMillis",
                    "lastRefTime",
                    "checksum",
                    "reachProtectionThreshold",
                    "hosts",
                ] {
                    assert!(service.contains_key(key), "{key}");
                }
            }
            Naming::ServiceList => assert_eq!(body["serviceNames"], json!([])),
            _ => {}
        }
    }
}

#[test]
fn an_error_that_a_retry_may_solve_makes_every_client_retry() {
    let refusal = Refusal::general(code::STARTING, "starting");
    assert_eq!(
        read(&refusal.into_frame(Naming::Subscribe)).0,
        "ErrorResponse"
    );
}
