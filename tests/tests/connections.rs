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
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
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
async fn while_the_store_is_read_probes_report_it_and_agents_are_refused() {
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
    // Agents over HTTP share this port with the probes, and are asked to retry. Other agents cannot connect, and try another
    // collector.
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

/// Sends one heartbeat. If a connection ends before a call is sent on it, tonic reports the call as cancelled and leaves the retry
/// to its caller.
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
    // Every heartbeat is answered while the connections below are replaced.
    let aged = timeout(PATIENCE, async {
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

/// An HTTP/2 peer whose pings the test answers.
struct Pinged(TcpStream);

impl Pinged {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    async fn connect(collector: &Collector) -> Self {
        let server = collector.listeners().grpc;
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(Self::PREFACE).await.unwrap();
        Self(stream)
    }

    /// Waits for the collector's next ping, and returns the answer to send.
    async fn ping(&mut self) -> Vec<u8> {
        loop {
            let mut head = [0; 9];
            let read = timeout(PATIENCE, self.0.read_exact(&mut head)).await;
            read.expect("a ping").expect("an open connection");
            let [a, b, c, kind, flags, ..] = head;
            let length = u32::from_be_bytes([0, a, b, c]);
            let mut payload = vec![0; length.try_into().unwrap()];
            self.0.read_exact(&mut payload).await.unwrap();
            match (kind, flags) {
                (6, 0) => {
                    head[4] = 1;
                    return [&head[..], &payload].concat();
                }
                (7, _) => panic!("the collector ends the connection: {payload:?}"),
                _ => {}
            }
        }
    }

    async fn answer(&mut self, ping: &[u8]) {
        self.0.write_all(ping).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_collector_reads_the_answers_to_its_pings_before_it_closes_connections() {
    let ping_timeout = Duration::from_secs(3);
    let mut collector = Collector::options()
        .env("SW_SERVER_PING_INTERVAL", "1s")
        .env("SW_SERVER_PING_TIMEOUT", "3s")
        .start()
        .await;
    collector.expect_log("this collector stalled");
    let mut peer = Pinged::connect(&collector).await;
    let ping = peer.ping().await;
    collector.signal(Signal::STOP);
    peer.answer(&ping).await;
    tokio::time::sleep(ping_timeout + Duration::from_secs(1)).await;
    collector.signal(Signal::CONT);
    // The next ping shows that the connection is still open.
    let ping = peer.ping().await;
    peer.answer(&ping).await;
    peer.ping().await;
}
