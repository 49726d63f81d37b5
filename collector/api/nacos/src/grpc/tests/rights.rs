//! Every naming request, sent by users whose rights are limited to one namespace or one group.

use rollcall_catalog::testing::Running;
use rollcall_domain::catalog::{Endpoint, Kind, Publisher, Registration, ServiceKey};
use serde_json::{Value, json};

use super::kit::{Server, config, host, with};
use crate::{
    auth::{Auth, parse_users},
    grpc::kind::Naming,
};

/// A user, the namespace and group that it may use, and those that it may not.
const USERS: [(&str, &str, [&str; 2], [&str; 2]); 2] = [
    (
        "dev",
        "dev=rw",
        ["dev", "DEFAULT_GROUP"],
        ["prod", "DEFAULT_GROUP"],
    ),
    (
        "mine",
        "public/MINE=rw",
        ["public", "MINE"],
        ["public", "MINEOTHER"],
    ),
];

#[tokio::test]
async fn no_request_reads_or_changes_a_service_beyond_the_callers_rights() {
    let hash = bcrypt::hash("s3cret", 4).unwrap();
    for (user, rights, own, other) in USERS {
        let users = parse_users(&format!("{user} {hash} {rights}\nroot {hash} admin")).unwrap();
        let auth = Auth::new(users, &[7; 32], 18_000).unwrap();
        let server = Server::with(config(), auth.clone(), Running::start()).await;
        let hidden = ServiceKey::new(other[0], other[1], "hidden").unwrap();
        for port in [80, 81] {
            let registration = Registration::new(
                Endpoint::new("10.9.9.9", port, "").unwrap(),
                Kind::Persistent,
            );
            let registered = server
                .catalog()
                .register(&Publisher::Operator, &hidden, registration);
            registered.await.unwrap();
        }
        let state = || format!("{:?}", server.catalog().instances(&hidden).unwrap());
        let before = state();
        for (name, is_refused) in [(user, true), ("root", false)] {
            let mut client = server.client().await;
            let session = auth
                .login(None, name, "s3cret", 1_700_000_000)
                .await
                .unwrap();
            client.headers = vec![("accessToken".into(), session.access_token)];
            for naming in Naming::ALL {
                for (kind, body) in requests(naming, own, other) {
                    let (_, answer) = client.call(kind, body.clone()).await;
                    let code = &answer["errorCode"];
                    assert_eq!(
                        code == &json!(403),
                        is_refused,
                        "{name}: {kind} {body} {answer}"
                    );
                }
            }
            assert_eq!(state() == before, is_refused, "{name}");
        }
    }
}

/// Requests of a type that try to reach the hidden service.
fn requests(naming: Naming, own: [&str; 2], other: [&str; 2]) -> Vec<(&'static str, Value)> {
    let named = |[namespace, group]: [&str; 2], service: &str, fields: Value| {
        with(
            json!({"namespace": namespace, "groupName": group, "serviceName": service}),
            fields,
        )
    };
    let on = |fields| named(other, "hidden", fields);
    let watch = |pattern: String| {
        named(
            own,
            "",
            json!({"groupKeyPattern": pattern, "watchType": "WATCH", "initializing": true}),
        )
    };
    let instance = |kind: &str| {
        on(json!({"type": kind, "instance": with(host(80), json!({"ip": "10.9.9.9"}))}))
    };
    match naming {
        Naming::Instance => vec![
            ("InstanceRequest", instance("registerInstance")),
            ("InstanceRequest", instance("deregisterInstance")),
        ],
        Naming::BatchInstance => vec![(
            "BatchInstanceRequest",
            on(json!({"type": "batchRegisterInstance", "instances": [host(80)]})),
        )],
        Naming::PersistentInstance => vec![
            ("PersistentInstanceRequest", instance("registerInstance")),
            ("PersistentInstanceRequest", instance("deregisterInstance")),
        ],
        Naming::ServiceQuery => vec![("ServiceQueryRequest", on(json!({})))],
        Naming::Subscribe => vec![
            ("SubscribeServiceRequest", on(json!({"subscribe": true}))),
            ("SubscribeServiceRequest", on(json!({"subscribe": false}))),
        ],
        Naming::ServiceList => vec![
            ("ServiceListRequest", named(other, "", json!({}))),
            ("ServiceListRequest", named([other[0], ""], "", json!({}))),
        ],
        Naming::FuzzyWatch => vec![
            (
                "NamingFuzzyWatchRequest",
                watch(format!("{}>>{}>>*", other[0], other[1])),
            ),
            (
                "NamingFuzzyWatchRequest",
                watch(format!("{}>>*>>*", other[0])),
            ),
            (
                "NamingFuzzyWatchRequest",
                watch(format!("{}>>{}*>>*", other[0], other[1])),
            ),
        ],
    }
}
