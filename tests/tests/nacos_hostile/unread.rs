//! Tests subscribers that do not read the lists that the collector pushes.

use rollcall_tests::{PATIENCE, nacos::Connection, process::Collector};
use serde_json::{Value, json};

use crate::{MIB, Victim, request};

/// The number of instances of the service. Their list has about 400 KiB.
const INSTANCES: u32 = 300;

/// The number of connections that read nothing. Their lists together take several times the memory for answers.
const DEAF: usize = 12;

/// The number of changes while the lists are unread.
const CHANGES: i32 = 5;

async fn call(connection: &Connection, kind: &str, more: Value) -> Value {
    let reply = connection
        .call(kind, request("long", more).to_string())
        .await;
    let reply = reply.expect("a reply").json();
    assert_eq!(reply["resultCode"], 200, "{kind}: {reply:.200}");
    reply
}

/// Registers all instances with this weight.
async fn register(provider: &Connection, weight: i32) {
    let padding = "x".repeat(1000);
    let instances: Vec<_> = (0..INSTANCES)
        .map(|number| {
            json!({
                "ip": format!("10.9.{}.{}", number / 250, number % 250), "port": 80, "weight": weight, "healthy": true,
                "enabled": true, "ephemeral": true, "clusterName": "DEFAULT", "metadata": {"padding": padding},
            })
        })
        .collect();
    let batch = json!({"type": "batchRegisterInstance", "instances": instances});
    call(provider, "BatchInstanceRequest", batch).await;
}

#[tokio::test]
async fn unread_lists_do_not_end_an_honest_stream() {
    let memory = format!("{}", 2 * MIB);
    let options = Collector::options().env("SW_SERVER_OUTBOUND_MEMORY", memory);
    let victim = Victim::start(options).await;
    let provider = victim.client().await;
    register(&provider, 1).await;
    let subscribe = json!({"subscribe": true, "clusters": ""});
    let mut deaf = Vec::new();
    for _ in 0..DEAF {
        let mut connection = Connection::open_deaf(victim.faces.grpc).await;
        connection.introduce().await;
        call(&connection, "SubscribeServiceRequest", subscribe.clone()).await;
        deaf.push(connection);
    }
    let mut honest = Connection::open(victim.faces.grpc).await;
    honest.introduce().await;
    call(&honest, "SubscribeServiceRequest", subscribe).await;
    for weight in 2..=1 + CHANGES {
        register(&provider, weight).await;
        loop {
            let push = honest.receive(PATIENCE).await.expect("a push").json();
            let hosts = push["serviceInfo"]["hosts"].as_array().expect("hosts");
            if hosts.iter().all(|host| host["weight"] == f64::from(weight)) {
                break;
            }
        }
    }
    drop(deaf);
    victim.survives(64 * MIB).await;
}
