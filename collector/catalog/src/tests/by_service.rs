//! The gauge of instances by service.

use prometheus_client::{encoding::text::encode, registry::Registry};

use super::*;

fn series(catalog: &Catalog, limit: usize) -> Vec<String> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(catalog.by_service(limit)));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

fn register(catalog: &Catalog, service: &str, ip: &str, healthy: bool) {
    let mut registered = registration(ip);
    registered.healthy = healthy;
    let publisher = registered.endpoint.publisher();
    let outcome = catalog.register_ephemeral(&publisher, &key(service), registered);
    outcome.unwrap();
}

#[tokio::test(start_paused = true)]
async fn services_beyond_the_limit_share_a_series() {
    let running = Running::start();
    let catalog = &running.catalog;
    register(catalog, "a", "10.0.0.1", true);
    register(catalog, "a", "10.0.0.2", false);
    register(catalog, "b", "10.0.0.1", true);
    register(catalog, "c", "10.0.0.1", true);
    register(catalog, "c", "10.0.0.2", true);
    let labels = r#"namespace="public",group="DEFAULT_GROUP""#;
    let a = [
        format!(r#"service_instances{{{labels},service="a",state="healthy"}} 1"#),
        format!(r#"service_instances{{{labels},service="a",state="unhealthy"}} 1"#),
    ];
    let rest = [
        r#"service_instances{overflow="true",state="healthy"} 3"#,
        r#"service_instances{overflow="true",state="unhealthy"} 0"#,
    ];
    let one: Vec<_> = a.iter().map(String::as_str).chain(rest).collect();
    assert_eq!(series(catalog, 1), one);
    let all = series(catalog, 3);
    assert_eq!(all.len(), 6, "{all:?}");
    assert!(!all.join("\n").contains("overflow"), "{all:?}");
    let none = series(catalog, 0);
    assert!(
        none[0].ends_with(r#"{overflow="true",state="healthy"} 4"#),
        "{none:?}"
    );
}

/// A scrape reads one part of the catalog after another.
#[tokio::test(start_paused = true)]
async fn every_service_of_several_parts_has_its_series() {
    let running = Running::start();
    for number in 0..1_200 {
        register(&running.catalog, &format!("s{number}"), "10.0.0.1", true);
    }
    let series = series(&running.catalog, 1_100);
    assert_eq!(series.len(), 2 * 1_101);
    let overflow = r#"service_instances{overflow="true",state="healthy"} 100"#;
    assert!(series.iter().any(|line| line == overflow), "{series:?}");
}
