//! Tests instances that are larger than any real one.

use std::collections::BTreeMap;

use rollcall_tests::{
    nacos::{Connection, Http, encoded},
    process::Collector,
};
use serde_json::{Value, json};

use crate::{MIB, Victim, request};

/// The sizes of the attacker's metadata. All are above the configured limit, and the largest are above the limit of a message.
const SIZES: [usize; 4] = [9_000, 100_000, 3 << 20, 12 << 20];

/// The endpoints that register an instance.
const PATHS: [&str; 3] = [
    "/nacos/v1/ns/instance",
    "/nacos/v2/ns/instance",
    "/nacos/v3/client/ns/instance",
];

#[tokio::test]
async fn oversized_metadata_is_refused_and_not_stored() {
    let victim = Victim::start(Collector::options()).await;
    let http = Http::new(victim.faces.http);
    let connection = victim.client().await;
    for size in SIZES {
        let metadata = json!({"k": "x".repeat(size)});
        over_http(&http, &metadata).await;
        over_grpc(&connection, &metadata).await;
    }
    let list = "/nacos/v1/ns/instance/list?serviceName=large";
    let reply = http.call("GET", list, None, &BTreeMap::new()).await;
    let reply = reply.expect("a reply");
    assert_eq!(
        reply.json::<Value>()["hosts"],
        json!([]),
        "{}",
        reply.text()
    );
    victim.survives(96 * MIB).await;
}

async fn over_http(http: &Http, metadata: &Value) {
    let text = metadata.to_string();
    let form = encoded([
        ("serviceName", "large"),
        ("ip", "10.9.1.1"),
        ("port", "80"),
        ("metadata", text.as_str()),
    ]);
    for path in PATHS {
        // The collector refuses a body above the limit of a request while the client sends it, so the client may get no reply.
        if let Ok(reply) = http
            .call("POST", path, Some(form.clone()), &BTreeMap::new())
            .await
        {
            assert!(
                !reply.status.is_success(),
                "{path} {}: {}",
                text.len(),
                reply.text()
            );
        }
    }
}

async fn over_grpc(connection: &Connection, metadata: &Value) {
    let instance = json!({"ip": "10.9.1.2", "port": 80, "ephemeral": true, "metadata": metadata});
    let one = json!({"type": "registerInstance", "instance": instance});
    let several = json!({"type": "batchRegisterInstance", "instances": [instance]});
    for (r#type, more) in [("InstanceRequest", one), ("BatchInstanceRequest", several)] {
        let body = request("large", more).to_string();
        if let Ok(reply) = connection.call(r#type, body).await {
            assert_ne!(
                reply.json()["resultCode"],
                200,
                "{}: {:.200}",
                r#type,
                reply.body
            );
        }
    }
}
