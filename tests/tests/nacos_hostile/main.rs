//! Tests hostile Nacos clients: garbage on every endpoint and message, oversized instances, subscribers that never answer
//! or never read, and a client that registers thousands of services and disconnects.
//!
//! After each attack, the collector must serve an honest client of each protocol, have bounded memory, and stop cleanly. Its log
//! must have no unexpected warning.

mod crowd;
mod garbage;
mod oversized;
mod unread;

use std::{collections::BTreeMap, time::Duration};

use rollcall_tests::{
    PATIENCE, eventually,
    nacos::{self, Connection, Faces, Http},
    process::{Collector, Options},
};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// The longest time for the honest calls, on a machine that also runs other tests.
const WORST_DELAY: Duration = Duration::from_secs(5);

/// A collector under attack.
struct Victim {
    collector: Collector,
    faces: Faces,
    resident_at_start: u64,
}

impl Victim {
    async fn start(options: Options) -> Self {
        let (collector, faces) = nacos::collector(options).await;
        let victim = Self {
            resident_at_start: collector.resident_bytes(),
            collector,
            faces,
        };
        victim.serves("before").await;
        victim
    }

    /// A gRPC client that has sent its set-up. The collector delays the client's calls until it has read the set-up.
    async fn client(&self) -> Connection {
        let mut connection = Connection::open(self.faces.grpc).await;
        connection.set_up(None).await;
        connection
    }

    /// Registers one instance over each protocol, and checks that both protocols list both instances.
    async fn serves(&self, when: &str) {
        let honest = async {
            let http = Http::new(self.faces.http);
            let none = BTreeMap::new();
            let register =
                format!("/nacos/v1/ns/instance?serviceName=honest.{when}&ip=10.9.0.1&port=80");
            let reply = http
                .call("POST", &register, None, &none)
                .await
                .expect("a reply");
            assert_eq!(reply.text(), "ok");
            let connection = self.client().await;
            let service = format!("honest.{when}");
            let instance = json!({"ip": "10.9.0.2", "port": 80, "ephemeral": true, "metadata": {}});
            let register = request(
                &service,
                json!({"type": "registerInstance", "instance": instance}),
            );
            let reply = connection
                .call("InstanceRequest", register.to_string())
                .await
                .expect("a reply");
            assert_eq!(reply.json()["resultCode"], 200, "{reply:?}");
            let query = request(&service, json!({"cluster": "", "healthyOnly": false}));
            let reply = connection
                .call("ServiceQueryRequest", query.to_string())
                .await
                .expect("a reply");
            let hosts = reply.json()["serviceInfo"]["hosts"]
                .as_array()
                .map(Vec::len);
            assert_eq!(hosts, Some(2), "{reply:?}");
            let list = format!("/nacos/v1/ns/instance/list?serviceName={service}");
            let reply = http.call("GET", &list, None, &none).await.expect("a reply");
            let hosts = reply.json::<Value>()["hosts"].as_array().map(Vec::len);
            assert_eq!(hosts, Some(2), "{reply:?}");
        };
        let served = tokio::time::timeout(WORST_DELAY, honest).await;
        served.expect("an honest client was not served in time");
    }

    /// Checks that the collector serves after the attack and uses at most `most` bytes more memory than at the start, and stops it.
    async fn survives(mut self, most: u64) {
        self.serves("after").await;
        let limit = self.resident_at_start + most;
        eventually(PATIENCE, async || match self.collector.resident_bytes() {
            resident if resident <= limit => Ok(()),
            resident => Err(format!("{} MiB are resident", resident / MIB)),
        })
        .await;
        eprintln!(
            "resident {} MiB at start, {} MiB at most, {} MiB now",
            self.resident_at_start / MIB,
            self.collector.peak_resident_bytes() / MIB,
            self.collector.resident_bytes() / MIB
        );
        let status = self.collector.terminate().await;
        assert_eq!(status.code(), Some(0), "a clean stop after the attack");
    }
}

/// The body of a request about a service.
fn request(service: &str, more: Value) -> Value {
    let mut body = json!({
        "namespace": "public",
        "groupName": "DEFAULT_GROUP",
        "serviceName": service,
        "module": "naming",
    });
    let fields = body.as_object_mut().expect("an object");
    let Value::Object(more) = more else {
        panic!("an object");
    };
    fields.extend(more);
    body
}
