//! The share of the catalog that one address may use.

use rollcall_domain::catalog::Limits;

use super::*;

fn server(limits: Limits) -> Server {
    let config = Config {
        limits,
        ..Config::default()
    };
    Server::on(Memory::default(), config, Auth::off())
}

impl Server {
    async fn is_refused(&self, call: &str, key: &str) {
        let answer = self.call(call).await;
        assert_eq!(answer.status, 503, "{call}: {}", answer.text);
        assert!(answer.text.contains(key), "{call}: {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_leaves_room_for_the_services_of_others() {
    let mut server = server(Limits {
        services: 5,
        services_per_peer: 3,
        ..Limits::default()
    });
    let one = [
        "POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80",
        "POST /v1/ns/instance?serviceName=b&ip=10.0.0.1&port=80&ephemeral=false",
        "POST /v1/ns/service?serviceName=c",
    ];
    for call in one {
        server.ok(call).await;
    }
    let beat = r#"PUT /v1/ns/instance/beat?serviceName=d&beat={"ip":"10.0.0.1","port":80}"#;
    let others = [
        "POST /v1/ns/instance?serviceName=d&ip=10.0.0.1&port=80",
        "POST /v1/ns/instance?serviceName=d&ip=10.0.0.1&port=80&ephemeral=false",
        "POST /v1/ns/service?serviceName=d",
        beat,
    ];
    for call in others {
        let key = "nacos.default.max_services_per_peer = 3";
        server.is_refused(call, key).await;
    }
    for call in one {
        if !call.contains("/service?") {
            server.ok(call).await;
        }
    }
    server.router = Server::router(
        &server.running.catalog,
        Auth::off(),
        Ipv4Addr::new(127, 0, 0, 2),
    );
    server.ok(others[1]).await;
    server
        .ok("POST /v1/ns/instance?serviceName=e&ip=10.0.0.1&port=80")
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_address_leaves_memory_for_the_instances_of_others() {
    let mut server = server(Limits {
        bytes_per_peer: 2_000,
        ..Limits::default()
    });
    let call = |host: usize, kind: &str| {
        format!("POST /v1/ns/instance?serviceName=a&ip=10.0.0.{host}&port=80&ephemeral={kind}")
    };
    let mut host = 0;
    while server.call(&call(host, "false")).await.status == 200 {
        host += 1;
    }
    assert!((2..10).contains(&host), "{host} instances");
    let key = "nacos.default.memory_per_peer = 2000";
    server.is_refused(&call(host, "true"), key).await;
    let first = "serviceName=a&ip=10.0.0.0&port=80&ephemeral=false";
    server.ok(&format!("DELETE /v1/ns/instance?{first}")).await;
    server.ok(&call(host, "true")).await;
    server.is_refused(&call(host + 1, "true"), key).await;
    server.router = Server::router(
        &server.running.catalog,
        Auth::off(),
        Ipv4Addr::new(127, 0, 0, 2),
    );
    server.ok(&call(host + 1, "true")).await;
}
