//! Probes, metrics and the query API.

mod lists;

use rollcall_domain::{
    ApplicationId, InstanceId, Moment, Timestamp,
    inventory::{Application, Generation, Instance, Row},
    liveness::{LeaseRecord, Signal, State},
    membership::{Member, State as MemberState, View},
};
use serde_json::json;

use super::*;

/// An application `orders` (-1) with an instance 1 that is down and an instance 2 that is up.
fn fleet() -> Collector {
    let application = ApplicationId::new(-1).unwrap();
    let at = Timestamp::from_millis(1_525_132_800_120);
    let instance = |id| Instance {
        id: InstanceId::new(id).unwrap(),
        application: Some(application),
        uuid: Some(format!("uuid-{id}").into()),
        registered_at: at,
        generation: Some(Generation::V5),
        adopted: false,
        properties: [
            ("host_name", "<b>\u{0}"),
            ("ipv4", "10.0.0.1"),
            ("ipv4", "10.0.0.2"),
        ]
        .into_iter()
        .collect(),
    };
    let rows = [
        Row::Application(Application {
            id: application,
            code: Some("orders".into()),
            registered_at: at,
            alias_of: None,
        }),
        Row::Instance(instance(1)),
        Row::Instance(instance(2)),
    ];
    Collector::on(Fixture::restored(|allocator, lessor| {
        for row in rows {
            allocator.restore(row).unwrap();
        }
        for (id, state) in [(1, State::Down), (2, State::Up)] {
            let lease = LeaseRecord {
                observer: rollcall_domain::liveness::Observer::Here,
                key: InstanceId::new(id).unwrap(),
                last_seen: Moment::from_millis(-1_000_000),
                signal: Signal::JvmMetrics,
                state,
                usual: Duration::ZERO,
                forgotten: false,
            };
            lessor.restore(lease, Moment::from_millis(0));
        }
    }))
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == "2018-05-01T00:00:00.120Z".len() && text.ends_with('Z')
}

#[tokio::test]
async fn probes_show_unmet_conditions() {
    let collector = Collector::start();
    assert_eq!(collector.get("/livez").await.json(), json!({"live": true}));
    let ready = collector.get("/readyz").await;
    let limits = json!({"open": 0, "limit": 2, "limit_per_listener": 1000, "limit_per_peer": 1});
    assert_eq!(
        (ready.status.as_u16(), ready.json()),
        (
            200,
            json!({"ready": true, "status": "ready", "reasons": {}, "connections": limits})
        )
    );
    collector
        .fixture
        .services
        .readiness
        .degraded("cluster", "no coordinator");
    let degraded = collector.get("/readyz").await;
    assert_eq!(degraded.status, 200);
    assert_eq!(
        degraded.json(),
        json!({
            "ready": true,
            "status": "degraded",
            "reasons": {"cluster": "no coordinator"},
            "connections": limits,
        })
    );
    let readiness = &collector.fixture.services.readiness;
    readiness.unmet("storage", "the disk is full");
    readiness.met("cluster");
    let unready = collector.get("/readyz").await;
    assert_eq!(unready.status, 503);
    assert_eq!(
        unready.json(),
        json!({
            "ready": false,
            "status": "unready",
            "reasons": {"storage": "the disk is full"},
            "connections": limits,
        })
    );
    assert_eq!(collector.get("/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let metrics = fleet().get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(metrics.text().ends_with("# EOF\n"));
    assert!(
        metrics
            .text()
            .contains(r#"rollcall_leases{state="down"} 1"#),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn an_application_counts_its_instances_by_state() {
    let collector = fleet();
    let orders = json!({
        "id": -1,
        "code": "orders",
        "label": "orders",
        "adopted": false,
        "registered_at": "2018-05-01T00:00:00.120Z",
        "instances": {"up": 1, "silent": 0, "down": 1, "left": 0},
    });
    assert_eq!(collector.get("/api/applications/-1").await.json(), orders);
    let list = json!({"items": [orders], "next": null});
    assert_eq!(collector.get("/api/applications").await.json(), list);
}

#[tokio::test]
async fn an_adopted_application_has_a_label_and_no_code() {
    let collector = Collector::start();
    let body = r#"{"ai":-3,"au":"u","rt":0,"oi":{}}"#;
    collector.post("/instance/register", body).await;
    let adopted = collector.get("/api/applications/-3").await.json();
    assert_eq!(adopted["code"], Value::Null);
    assert_eq!(adopted["label"], "unknown (-3)");
    assert_eq!(adopted["adopted"], true);
}

#[tokio::test]
async fn an_instance_shows_its_state_and_why() {
    let collector = fleet();
    let down = collector.get("/api/instances/1").await.json();
    for (key, value) in [
        ("id", json!(1)),
        ("application_id", json!(-1)),
        ("uuid", json!("uuid-1")),
        ("state", json!("down")),
        ("adopted", json!(false)),
        ("registered_at", json!("2018-05-01T00:00:00.120Z")),
        ("generation", json!("5.x")),
        (
            "properties",
            json!({"host_name": "<b>\u{0}", "ipv4": ["10.0.0.1", "10.0.0.2"]}),
        ),
    ] {
        assert_eq!(down[key], value, "{key}");
    }
    assert!(is_time(&down["last_seen_at"]) && is_time(&down["since"]));
    let why = &down["why"];
    assert_eq!(why["last_signal"], "jvm_metrics");
    assert_eq!(
        (&why["silent_after_ms"], &why["down_after_ms"]),
        (&json!(120_000), &json!(300_000))
    );
    assert_eq!(why["observed_here"], false, "it was restored");
    let sentence = why["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("Down since ")
            && sentence.contains("the last signal was JVM metrics at "),
        "{sentence}"
    );
    assert!(
        sentence.ends_with(
            "by another member, or by this one before it restarted; none followed within 300s."
        ),
        "{sentence}"
    );
    assert_eq!(
        collector.get("/api/instances/2").await.json()["state"],
        "up"
    );
}

#[tokio::test]
async fn lists_continue_where_the_previous_page_ended() {
    let collector = fleet();
    let path = "/api/applications/-1/instances";
    let first = collector.get(&format!("{path}?limit=1")).await.json();
    assert_eq!(
        (&first["items"][0]["id"], &first["next"]),
        (&json!(1), &json!("1"))
    );
    let second = collector
        .get(&format!("{path}?limit=2&cursor=1"))
        .await
        .json();
    assert_eq!(
        (&second["items"][0]["id"], &second["next"]),
        (&json!(2), &Value::Null)
    );
}

#[tokio::test]
async fn instances_of_no_known_application_can_be_found() {
    let collector = Collector::start();
    collector
        .post("/instance/heartbeat", r#"{"ii":7,"ht":0}"#)
        .await;
    let list = collector
        .get("/api/applications/unknown/instances")
        .await
        .json();
    assert_eq!(list["items"][0]["id"], 7);
    assert_eq!(list["items"][0]["application_id"], Value::Null);
    assert_eq!(list["items"][0]["uuid"], Value::Null);
}

#[tokio::test]
async fn members_are_listed_in_pages() {
    let collector = Collector::start();
    let member = |address: &str, state| Member {
        address: address.into(),
        agent_grpc: Some(address.into()),
        agent_jetty: None,
        ui: None,
        version: Some("0.1.0".into()),
        state,
        since: Timestamp::from_millis(0),
    };
    let view = View::new([
        member("b:11800", MemberState::Draining),
        member("a:11800", MemberState::Serving),
    ]);
    collector.fixture.members.send_replace(view.into());
    let first = collector.get("/api/members?limit=1").await.json();
    assert_eq!(first["next"], "a:11800");
    assert_eq!(
        first["items"],
        json!([{"address": "a:11800", "state": "serving", "since": "1970-01-01T00:00:00.000Z",
            "version": "0.1.0", "self": false, "owner": true, "agent_grpc": "a:11800", "agent_jetty": null, "ui": null}]),
    );
    let second = collector.get("/api/members?cursor=a:11800").await.json();
    let member = &second["items"][0];
    assert_eq!(
        (&member["state"], &member["self"], &member["owner"]),
        (&json!("draining"), &json!(true), &json!(false))
    );
    assert_eq!(second["next"], Value::Null);
    let metrics = collector.get("/metrics").await;
    let metrics = metrics.text();
    for line in [
        r#"rollcall_members{state="serving"} 1"#,
        r#"rollcall_members{state="draining"} 1"#,
        "rollcall_coordinated 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn mistakes_name_their_parameter() {
    let collector = fleet();
    for (path, status, field) in [
        ("/api/applications?limit=0", 400, "limit"),
        ("/api/applications?limit=1001", 400, "limit"),
        ("/api/applications?cursor=x", 400, "cursor"),
        ("/api/applications?code=a&state=up", 400, "state"),
        ("/api/applications?limit=1&limit=2", 400, "limit"),
        ("/api/applications/0", 404, "id"),
        ("/api/applications/x", 400, "id"),
        ("/api/applications/5", 404, "id"),
        ("/api/applications/5/instances", 404, "id"),
        ("/api/applications/-1/instances?cursor=0", 400, "cursor"),
        ("/api/instances/99999999999", 400, "id"),
        ("/api/instances/%ff", 400, "id"),
        ("/api/instances/99", 404, "id"),
        ("/api/members?limit=x", 400, "limit"),
    ] {
        assert_eq!(collector.get(path).await.refused(status), field, "{path}");
    }
}

#[tokio::test]
async fn nothing_on_the_ui_face_can_be_sniffed_framed_or_scripted() {
    let collector = fleet();
    for path in [
        "/",
        "/favicon.ico",
        "/api/applications",
        "/api/instances/99",
        "/metrics",
    ] {
        let reply = collector.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert!(
            reply
                .header("content-security-policy")
                .starts_with("default-src 'none'; script-src 'self';"),
            "{path}"
        );
    }
    let index = collector.get("/").await;
    assert!(index.header("content-type").starts_with("text/html"));
    let index = index.text();
    let mut scripts = index.match_indices("<script").map(|(at, _)| &index[at..]);
    assert!(scripts.all(|script| script.split('>').next().unwrap().contains("src=")));
    assert!(
        !collector
            .get("/agent/gRPC")
            .await
            .headers
            .contains_key("content-security-policy")
    );
}

#[tokio::test]
async fn a_graphql_client_gets_a_graphql_error() {
    let collector = Collector::start();
    let query = r#"{"query":"query { checkHealth { score } }"}"#;
    for reply in [
        collector.post("/graphql", query).await,
        collector.get("/graphql?query=x").await,
    ] {
        assert_eq!(reply.status, 200);
        let answer = reply.json();
        assert_eq!(answer["data"], Value::Null);
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("/api/applications"), "{message}");
    }
}
