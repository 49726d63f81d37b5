//! Beside collectors of upstream, as ZooKeeper shows them.

use std::{net::SocketAddr, path::Path, process::Command};

use rollcall_tests::{PATIENCE, engine::ZooKeeper, process::Child};
use serde_json::Value;

use super::cluster::{Cluster, agent_grpc, lists, lists_addresses, member, name};

/// ZooKeeper's own command line, with a session that lasts as long as this: what upstream's collectors see and do.
struct Upstream(Child);

impl Upstream {
    fn connect(zookeeper: SocketAddr) -> Self {
        let java = Path::new("/usr/share/java");
        let archive = |name: &str| java.join(name).display().to_string();
        let classes = [archive("zookeeper.jar"), archive("slf4j-simple.jar")].join(":");
        let mut command = Command::new("java");
        command
            .args(["-Xmx128m", "-classpath", &classes])
            .args(["org.apache.zookeeper.ZooKeeperMain", "-server"])
            .arg(zookeeper.to_string());
        Self(Child::spawn("ZooKeeper's command line", &mut command))
    }

    fn does(&mut self, command: &str) {
        self.0.write_line(command);
    }

    /// Waits until it answers `command` with this line.
    async fn says(&mut self, command: &str, line: &str) {
        self.does(command);
        let find = |lines: &[String]| lines.iter().any(|said| said.trim() == line).then_some(());
        let found = self.0.stdout.find(PATIENCE, find).await;
        found.unwrap_or_else(|lines| panic!("{command}: {lines:#?}"));
    }
}

#[tokio::test]
async fn upstreams_collectors_and_ours_see_each_other_in_zookeeper() {
    let cluster = Cluster::<ZooKeeper>::start().await;
    let a = cluster
        .options()
        .env("SW_NAMESPACE", "ns")
        .env("SW_AGENT_JETTY_CONTEXT_PATH", "/sky")
        .start()
        .await;
    lists(&a, &[&a]).await;
    let mut upstream = Upstream::connect(cluster.engine.address());
    let (grpc, jetty, ui) = (agent_grpc(&a), a.listeners().jetty, a.listeners().ui);
    for (parent, child) in [
        ("agent_gRPC/gRPC", grpc.clone()),
        ("agent_jetty/jetty", jetty.to_string()),
        ("ui/jetty", ui.to_string()),
        ("remote/gRPC", name(&a)),
    ] {
        let path = format!("ls /ns/skywalking/{parent}");
        upstream.says(&path, &format!("[{child}]")).await;
    }
    let get = format!("get /ns/skywalking/agent_jetty/jetty/{jetty}");
    upstream.says(&get, "/sky").await;
    for path in [
        "agent_gRPC/gRPC/10.9.8.7:11800",
        "remote/gRPC/10.9.8.7:11800",
    ] {
        upstream.does(&format!("create -e /ns/skywalking/{path}"));
    }
    let mut both = vec![grpc, "10.9.8.7:11800".to_owned()];
    both.sort();
    lists_addresses(&a, &both).await;
    let seen = member(&a, "10.9.8.7:11800").await.unwrap().unwrap();
    assert_eq!(
        (&seen["version"], &seen["owner"]),
        (&Value::Null, &false.into())
    );
    drop(upstream);
    lists(&a, &[&a]).await;
}
