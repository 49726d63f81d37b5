//! The stored form of each row, byte for byte: a later release must be able to read the rows of this one.

use std::sync::Arc;

use rollcall_domain::{
    Timestamp,
    catalog::{Checker, Cluster, MetadataChange, Override},
};

use super::*;
use crate::{
    Config, Namespace, NoEvents,
    store::{Change, Memory, Row, Store as _, Table},
};

const ROWS: [(Table, &str, &str); 6] = [
    (
        Table::Namespace,
        "team",
        r#"{"id":"team","name":"Team","description":"of people"}"#,
    ),
    (
        Table::Service,
        "public\0DEFAULT_GROUP\0a",
        r#"{"protect_threshold":0.5,"metadata":{},"selector":null,"clusters":[{"name":"DEFAULT","checker":{"type":"http","path":"/up","headers":"","expected":200},"check_port":80,"use_instance_port":true,"metadata":{}}]}"#,
    ),
    (
        Table::Instance,
        "public\0DEFAULT_GROUP\0a\x0010.0.0.1\x0080\0DEFAULT",
        r#"{"weight":2.0,"enabled":true,"healthy":true,"metadata":{"zone":"b"},"app":"shop"}"#,
    ),
    (
        Table::Override,
        "public\0DEFAULT_GROUP\0a\x0010.0.0.1\x0080\0DEFAULT",
        r#"{"enabled":false,"weight":7.0,"merged":{"k":"v"},"replaced":null,"removed":null,"set_at":1700000000000}"#,
    ),
    (Table::Face, "secret", "s3cret"),
    (
        Table::Switch,
        "",
        r#"{"client_beat_interval":9000,"light_beat_enabled":true,"health_check_enabled":true,"push_enabled":true,"check_times":3,"default_instance_ephemeral":true,"default_cache_millis":3000,"push_cache_millis":10000,"overridden_server_status":null,"others":{}}"#,
    ),
];

fn row((table, key, value): (Table, &str, &str)) -> Row {
    Row {
        table,
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
    }
}

async fn write(catalog: &Catalog) {
    let namespace = Namespace {
        id: "team".to_owned(),
        name: "Team".to_owned(),
        description: "of people".to_owned(),
    };
    catalog.create_namespace(namespace).await.unwrap();
    let mut cluster = Cluster::new("DEFAULT".into());
    cluster.checker = Checker::Http {
        path: "/up".into(),
        headers: "".into(),
        expected: 200,
    };
    let settings = Settings {
        protect_threshold: 0.5,
        ..Settings::default()
    };
    catalog.create_service(&key("a"), settings).await.unwrap();
    catalog.update_cluster(&key("a"), cluster).await.unwrap();
    let registered = Registration {
        kind: Kind::Persistent,
        weight: 2.0,
        metadata: Arc::new([("zone", "b")].into_iter().collect()),
        app: Some("shop".into()),
        ..registration("10.0.0.1")
    };
    let endpoint = registered.endpoint.clone();
    catalog
        .register(&endpoint.publisher(), &key("a"), registered)
        .await
        .unwrap();
    let set = Override {
        enabled: Some(false),
        weight: Some(7.0),
        metadata: Some(MetadataChange::Merge(Arc::new(
            [("k", "v")].into_iter().collect(),
        ))),
        ..Override::none(Timestamp::from_millis(0))
    };
    catalog
        .set_override(&key("a"), &endpoint, set)
        .await
        .unwrap();
    catalog
        .keep("secret", Some(b"s3cret".to_vec()))
        .await
        .unwrap();
    catalog
        .set_switches(|switches| switches.client_beat_interval = 9_000)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn rows_have_the_form_of_the_first_release() {
    let running = Running::start();
    write(&running.catalog).await;
    let stored = running.store.load().unwrap();
    for expected in ROWS {
        let found = stored
            .iter()
            .find(|row| row.table == expected.0 && row.key == expected.1);
        let found = found.map(|row| String::from_utf8_lossy(&row.value).into_owned());
        assert_eq!(found.as_deref(), Some(expected.2), "{expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_the_first_release_are_read() {
    let store = Memory::default();
    let rows: Vec<_> = ROWS.into_iter().map(|it| Change::Put(row(it))).collect();
    store.commit(&rows).unwrap();
    let running = Running::with(Config::default(), store, Arc::new(NoEvents));
    let catalog = &running.catalog;
    let endpoint = registration("10.0.0.1").endpoint;
    let found = catalog.instance(&key("a"), &endpoint, None).unwrap();
    assert_eq!((found.enabled(), found.weight()), (false, 7.0));
    assert_eq!(found.metadata().get("zone"), Some("b"));
    assert_eq!(found.metadata().get("k"), Some("v"));
    let service = catalog.service(&key("a")).unwrap();
    assert!((service.settings.protect_threshold - 0.5).abs() < f64::EPSILON);
    assert_eq!(service.clusters.len(), 1);
    assert!(catalog.namespace("team").is_some());
    assert_eq!(catalog.kept("secret").as_deref(), Some(&b"s3cret"[..]));
    assert_eq!(catalog.switches().client_beat_interval, 9_000);
}
