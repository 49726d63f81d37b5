use std::sync::Arc;

use rollcall_domain::catalog::{Clusters, Endpoint, Kind, ServiceKey};
use serde_json::{Value, json};

use super::*;

fn host(ip: &str, cluster: &str) -> Host {
    Host {
        endpoint: Endpoint::new(ip, 80, cluster).unwrap(),
        kind: Kind::Persistent,
        weight: 0.5,
        enabled: true,
        healthy: false,
        is_healthy: false,
        metadata: Arc::default(),
        instance_id: None,
    }
}

/// The encoded text, completed to an object and parsed.
fn read(view: &ServiceView) -> Value {
    let tail = String::from_utf8(encode(view)).unwrap();
    let whole: Value = serde_json::from_str(&format!("{{\"s\":{{{tail}")).unwrap();
    whole["s"].clone()
}

fn view(name: &str, hosts: Vec<Host>) -> ServiceView {
    ServiceView {
        key: ServiceKey::new("", "", name).unwrap(),
        exists: true,
        revision: 1,
        clusters: Clusters::new("c1, c2"),
        hosts,
        reach_protection_threshold: true,
        protect_threshold: 0.0,
        metadata: Arc::default(),
    }
}

#[test]
fn both_spellings_of_all_ips_are_there_and_clusters_are_echoed() {
    let read = read(&view("s", vec![]));
    assert_eq!(
        read,
        json!({
            "name": "s", "groupName": "DEFAULT_GROUP", "clusters": "c1, c2", "cacheMillis": 10000, "hosts": [], "checksum": "",
            "allIPs": false, "allIps": false, "reachProtectionThreshold": true, "valid": true,
        })
    );
}

#[test]
fn terms_in_the_metadata_are_the_terms_of_the_instance() {
    let mut host = host("10.0.0.1", "");
    let entries = [
        ("preserved.heart.beat.interval", "1000"),
        ("preserved.heart.beat.timeout", "3000"),
        ("preserved.ip.delete.timeout", "nonsense"),
    ];
    host.metadata = Arc::new(entries.into_iter().collect());
    let read = read(&view("s", vec![host]));
    let host = &read["hosts"][0];
    assert_eq!(host["instanceHeartBeatInterval"], 1000);
    assert_eq!(host["instanceHeartBeatTimeOut"], 3000);
    assert_eq!(host["ipDeleteTimeout"], 30_000);
    assert_eq!(
        (&host["weight"], &host["ephemeral"], &host["healthy"]),
        (&json!(0.5), &json!(false), &json!(false))
    );
}

#[test]
fn every_text_is_escaped() {
    let mut own = host("a\"b\\", "c\"");
    own.instance_id = Some("i\"d".into());
    own.metadata = Arc::new([("k\"\n", "v\\\u{1}")].into_iter().collect());
    let read = read(&view("s\"\\", vec![own, host("a\"b\\", "c\"")]));
    assert_eq!(read["name"], "s\"\\");
    let [own, derived] = [&read["hosts"][0], &read["hosts"][1]];
    assert_eq!(
        (&own["ip"], &own["instanceId"]),
        (&json!("a\"b\\"), &json!("i\"d"))
    );
    assert_eq!(own["metadata"], json!({"k\"\n": "v\\\u{1}"}));
    assert_eq!(derived["instanceId"], "a\"b\\#80#c\"#DEFAULT_GROUP@@s\"\\");
    assert_eq!(derived["serviceName"], "DEFAULT_GROUP@@s\"\\");
}

/// Go's client refuses the whole list if one number does not fit its type.
#[test]
fn the_terms_of_a_host_are_those_that_the_collector_applies() {
    let mut host = host("10.0.0.1", "");
    let metadata = [
        ("preserved.heart.beat.interval", "3000"),
        ("preserved.heart.beat.timeout", "18446744073709551615"),
        ("preserved.ip.delete.timeout", "never"),
    ];
    host.metadata = Arc::new(metadata.into_iter().collect());
    let read = read(&view("s", vec![host]));
    let shown = &read["hosts"][0];
    assert_eq!(shown["instanceHeartBeatInterval"], 3_000);
    assert_eq!(shown["instanceHeartBeatTimeOut"], 604_800_000);
    assert_eq!(shown["ipDeleteTimeout"], 30_000);
}
