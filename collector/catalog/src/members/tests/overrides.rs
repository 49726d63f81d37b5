//! Overrides on the instances of other members.

use rollcall_domain::catalog::Override;

use super::*;

/// Longer than the override term.
const LONG: Duration = Duration::from_secs(90);

/// Two members, of which the second lists one instance of a service at most, and has set the instance of the first one offline.
async fn with_override() -> (Cluster, Publisher) {
    let mut cluster = Cluster::start(&["a:1"]).await;
    let mut config = Config::default();
    config.limits.instances_per_service = 1;
    cluster.join("b:1", config).await;
    let client = cluster.connect("a:1");
    cluster.register_by("a:1", &client, registration("10.0.0.1"));
    settled().await;
    let set = Override {
        enabled: Some(false),
        ..Override::none(Timestamp::from_millis(0))
    };
    let catalog = cluster.catalog("b:1");
    let at = endpoint("10.0.0.1");
    catalog.set_override(&key("a"), &at, set).await.unwrap();
    assert!(!is_enabled(&cluster));
    (cluster, client)
}

fn is_enabled(cluster: &Cluster) -> bool {
    let at = endpoint("10.0.0.1");
    let found = cluster.catalog("b:1").instance(&key("a"), &at, None);
    found.unwrap().enabled()
}

fn withdraw(cluster: &Cluster, name: &str, client: &Publisher) {
    let Publisher::Connection(id) = client else {
        unreachable!()
    };
    assert_eq!(cluster.catalog(name).withdraw(*id, &key("a")), 1);
}

#[tokio::test(start_paused = true)]
async fn an_override_stays_while_its_instance_is_left_out_and_ends_a_term_after_it() {
    let (cluster, client) = with_override().await;
    withdraw(&cluster, "a:1", &client);
    settled().await;
    let other = cluster.connect("b:1");
    cluster.register_by("b:1", &other, registration("10.0.0.2"));
    cluster.register_by("a:1", &client, registration("10.0.0.1"));
    sleep(LONG).await;
    assert_eq!(cluster.catalog("b:1").counts().exchanged.left_out, 1);
    withdraw(&cluster, "b:1", &other);
    sleep(LONG).await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    assert!(!is_enabled(&cluster), "it is still offline");
    withdraw(&cluster, "a:1", &client);
    sleep(LONG).await;
    assert!(cluster.catalog("b:1").overrides(&key("a")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_override_stays_while_the_instances_of_others_cannot_be_read() {
    let (cluster, client) = with_override().await;
    withdraw(&cluster, "a:1", &client);
    settled().await;
    assert!(cluster.list("b:1").is_empty());
    cluster.board.cut("b:1", true);
    cluster.register_by("a:1", &client, registration("10.0.0.1"));
    sleep(LONG).await;
    cluster.board.cut("b:1", false);
    sleep(Duration::from_secs(10)).await;
    assert!(!is_enabled(&cluster), "it is still offline");
}
