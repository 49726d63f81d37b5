//! Tests Rollcall's collectors together with upstream's collectors in one ZooKeeper.

use std::{net::SocketAddr, path::Path, process::Command};

use rollcall_tests::{PATIENCE, engine::ZooKeeper, process::Child};
use serde_json::Value;

use super::cluster::{Cluster, agent_grpc, is_degraded, lists, lists_addresses, member, name};

/// ZooKeeper's command line client, which acts as upstream's collectors do. Its session lasts as long as its process.
struct Upstream {
    child: Child,
    /// The number of output lines that were read.
    read: usize,
}

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
        Self {
            child: Child::spawn("ZooKeeper's command line", &mut command),
            read: 0,
        }
    }

    fn does(&mut self, command: &str) {
        self.child.write_line(command);
    }

    /// Runs `command`, and waits until the client prints this line as an answer. Lines of earlier answers do not count.
    async fn says(&mut self, command: &str, line: &str) {
        self.does(command);
        let read = self.read;
        let find = |lines: &[String]| {
            let mut new = lines.iter().skip(read);
            new.position(|printed| printed.trim() == line)
        };
        let found = self.child.stdout.find(PATIENCE, find).await;
        let place = found.unwrap_or_else(|lines| panic!("{command}: {lines:#?}"));
        self.read = read + place + 1;
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
    let (grpc, jetty) = (agent_grpc(&a), a.listeners().jetty);
    for (parent, child) in [
        ("agent_gRPC/gRPC", grpc.clone()),
        ("agent_jetty/jetty", jetty.to_string()),
        // Rollcall does not accept the calls that upstream's collectors and web application send to these entries.
        ("ui/jetty", String::new()),
        ("remote/gRPC", String::new()),
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

#[tokio::test]
async fn collectors_with_credentials_have_protected_nodes_below_a_chroot() {
    let cluster = Cluster::<ZooKeeper>::start().await;
    let address = cluster.engine.address();
    let with = |expression: &str| {
        cluster
            .options()
            .env("SW_CLUSTER_ZK_HOST_PORT", format!("{address},/apps/sky"))
            .env("SW_ZK_ENABLE_ACL", "true")
            .env("SW_ZK_EXPRESSION", expression)
    };
    let (a, b) = tokio::join!(
        with("rollcall:s3:cret").start(),
        with("rollcall:s3:cret").start()
    );
    for observer in [&a, &b] {
        lists(observer, &[&a, &b]).await;
    }
    let mut upstream = Upstream::connect(address);
    upstream.does("addauth digest rollcall:s3:cret");
    for path in [
        "/apps/sky/rollcall/members".to_owned(),
        format!("/apps/sky/rollcall/members/{}", name(&a)),
    ] {
        upstream.says(&format!("getAcl {path}"), ": cdrwa").await;
    }
    let acl = |lines: &[String]| {
        let line = lines
            .iter()
            .find(|line| line.starts_with("'digest,'rollcall:"));
        let is_open = lines.iter().any(|line| line.contains("'world"));
        (line.is_some() && !is_open).then_some(())
    };
    upstream
        .child
        .stdout
        .find(PATIENCE, acl)
        .await
        .expect("a list for the user alone");

    let mut stranger = with("rollcall:guessed").start().await;
    stranger.expect_log("the last known members stay");
    stranger.expect_log("stop not confirmed by the coordinator");
    let reason = [
        "ZooKeeper refuses /apps/sky/",
        "access control list does not allow that",
    ];
    is_degraded(&stranger, &reason).await;
}
