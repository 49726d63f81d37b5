//! Tests when a collector accepts agents' connections, and how long it keeps them.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use rollcall_tests::{
    PATIENCE,
    engine::{Etcd, Server},
    eventually, grpc, http,
    process::{Collector, collector_binary, free_addresses},
};
use tokio::net::TcpStream;
use tonic::Code;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            let _status = self.0.wait();
        }
    }
}

#[tokio::test]
async fn until_the_store_is_read_probes_report_it_and_agents_are_refused() {
    let etcd = Server::<Etcd>::start().await;
    etcd.pause();
    let [naming, grpc, admin] = free_addresses();
    let command = Command::new(collector_binary())
        .env("SW_NAMING_JETTY_PORT", naming.port().to_string())
        .env("SW_AGENT_GRPC_PORT", grpc.port().to_string())
        .env("SW_AGENT_JETTY_PORT", admin.port().to_string())
        .env("SW_NACOS_PORT", "0")
        .env("SW_STORAGE", "etcd")
        .env("SW_STORAGE_ETCD_ENDPOINTS", etcd.address().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _collector = Killed(command.unwrap());
    let probe = http::Client::new(admin);
    eventually(PATIENCE, async || match probe.get("/livez").await {
        Ok(reply) if reply.status == 200 => Ok(()),
        other => Err(other),
    })
    .await;
    let ready = probe.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
    assert!(
        ready.text().contains("the store is being opened"),
        "{}",
        ready.text()
    );
    // An agent that shares the port retries; other agents are refused and try another collector.
    let register = probe
        .post("/application/register", "[\"orders\"]")
        .await
        .unwrap();
    assert_eq!(register.status, 503);
    assert!(
        register.headers.contains_key("retry-after"),
        "{:?}",
        register.headers
    );
    for server in [naming, grpc] {
        let refused = TcpStream::connect(server).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    etcd.resume();
    eventually(PATIENCE, async || match probe.get("/readyz").await {
        Ok(reply) if reply.status == 200 => Ok(()),
        other => Err(other),
    })
    .await;
    let list = http::Client::new(naming).get("/agent/gRPC").await.unwrap();
    assert_eq!(list.text(), format!("[\"{grpc}\"]"));
}

/// One heartbeat. A connection may end before a call is sent on it; tonic reports that as cancelled and leaves the retry to its
/// caller.
async fn beat(client: &grpc::Client, instance: i32) {
    let Err(status) = client.heartbeat(instance).await else {
        return;
    };
    assert_eq!(status.code(), Code::Cancelled, "{status}");
    let again = client.heartbeat(instance).await;
    again.expect("every call is answered");
}

#[tokio::test]
async fn an_old_connection_is_replaced_and_no_call_is_lost() {
    let options = Collector::options().env("SW_SERVER_MAX_CONNECTION_AGE", "500ms");
    let mut collector = options.start().await;
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "one").await.unwrap();
    let admin = collector.query();
    let closed = format!(
        "rollcall_connections_closed_total{{listener=\"{}\",reason=\"age\"}}",
        collector.listeners().grpc
    );
    // Every heartbeat is answered while connections end below it.
    let aged = tokio::time::timeout(PATIENCE, async {
        loop {
            for _ in 0..20 {
                beat(&client, instance).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let count = admin.metric(&closed).await.unwrap();
            if count >= 3 {
                return count;
            }
        }
    });
    aged.await
        .expect("connections are replaced again and again");
    assert_eq!(collector.terminate().await.code(), Some(0));
}
