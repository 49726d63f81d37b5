//! Limits of texts and settings.

use super::*;

/// The cache of lists and a subscription keep the clusters of a request.
#[tokio::test]
async fn every_list_limits_its_clusters() {
    let server = Server::start();
    server
        .ok("POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80&ephemeral=false")
        .await;
    let long = "x,".repeat(1_000);
    for (path, name) in [
        ("/v1/ns/instance/list", "clusters"),
        ("/v2/ns/instance/list", "clusterName"),
        ("/v3/client/ns/instance/list", "clusterName"),
        ("/v3/admin/ns/instance/list", "clusterName"),
        ("/v3/client/ns/instance/list", "cluster"),
    ] {
        let call = format!("GET {path}?serviceName=a&{name}=");
        let refused = server.call(&format!("{call}{long}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path} {name}");
        assert!(refused.text.contains("1024"), "{}", refused.text);
        server.call(&format!("{call}x,DEFAULT")).await.json();
    }
}

/// A regression test: a cluster that only had instances counted as one with settings.
#[tokio::test]
async fn at_most_64_clusters_have_settings_whatever_instances_there_are() {
    let server = Server::start();
    let set = |cluster: &str| {
        format!(
            "PUT /v1/ns/cluster?serviceName=a&clusterName={cluster}&checkPort=80&useInstancePort4Check=true&healthChecker={{\"type\":\"TCP\"}}"
        )
    };
    server.ok("POST /v1/ns/service?serviceName=a").await;
    server
        .ok("POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80&clusterName=used")
        .await;
    for number in 0..64 {
        server.ok(&set(&format!("c{number}"))).await;
    }
    let refused = server.call(&set("used")).await;
    assert!(
        refused.text.contains("at most 64 clusters"),
        "{}",
        refused.text
    );
    server.ok(&set("c7")).await;
}
