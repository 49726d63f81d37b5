//! Tests the HTTP face for Nacos clients with the real binary: calls, pushes and users.

use std::{
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    process::Command,
};

use ::http::{Method, StatusCode};
use rollcall_tests::{
    PATIENCE, eventually, http,
    process::{Child, Collector, Options, collector_binary},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn send(client: &http::Client, call: &str) -> http::Reply {
    let (method, path) = call.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let path = format!("/nacos{path}");
    client
        .send(method, &path, Default::default())
        .await
        .unwrap()
}

/// The answer to a request as the Java client 1.4.2 sends it.
async fn java(server: SocketAddr, path: &str) -> Value {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {server}\r\nuser-agent: Nacos-Java-Client:v1.4.2\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// The bcrypt hash of a password, as the command `nacos hash-password` prints it. The command's input stays open, as on a terminal.
async fn hash(password: &str) -> String {
    let mut command = Command::new(collector_binary());
    let mut child = Child::spawn("the hash", command.args(["nacos", "hash-password"]));
    child.write_line(password);
    assert!(child.exit(PATIENCE).await.success());
    child.stdout.so_far().concat()
}

async fn users(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("users");
    let hash = hash("s3cret").await;
    std::fs::write(
        &path,
        format!("# users\nroot {hash} admin\norders {hash} public=rw\n"),
    )
    .unwrap();
    path
}

fn with_users(path: &std::path::Path) -> Options {
    Collector::options().env("SW_NACOS_USERS_FILE", path.to_str().unwrap())
}

#[tokio::test]
async fn a_change_reaches_a_subscriber_over_udp_and_is_counted() {
    let collector = Collector::start().await;
    let client = collector.http(collector.nacos().await);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let subscribe = format!(
        "GET /v1/ns/instance/list?serviceName=a&udpPort={port}&clientIP=127.0.0.1&clusters="
    );
    // The client of the harness sends no agent name, so it gets no push.
    assert_eq!(
        send(&client, &subscribe).await.json::<Value>()["cacheMillis"],
        3_000
    );
    let java = java(
        collector.nacos().await,
        &format!("/nacos{}", &subscribe[4..]),
    )
    .await;
    assert_eq!(java["cacheMillis"], 10_000);
    let registered = send(
        &client,
        "POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80",
    )
    .await;
    assert_eq!(registered.text(), "ok");
    let mut datagram = [0; 4096];
    let (length, from) = tokio::task::spawn_blocking(move || {
        let received = socket.recv_from(&mut datagram).expect("a push");
        let push: Value = serde_json::from_slice(&datagram[..received.0]).unwrap();
        let ack = format!(
            r#"{{"type":"push-ack","lastRefTime":"{}","data":""}}"#,
            push["lastRefTime"]
        );
        socket.send_to(ack.as_bytes(), received.1).unwrap();
        let list: Value = serde_json::from_str(push["data"].as_str().unwrap()).unwrap();
        assert_eq!(list["hosts"][0]["ip"], "10.0.0.1");
        received
    })
    .await
    .unwrap();
    assert!(length > 100 && from.ip().is_loopback());
    let acknowledged = r#"rollcall_nacos_udp_pushes_total{outcome="acknowledged"} 1"#;
    let ui = collector.http(collector.listeners().ui);
    eventually(PATIENCE, async || {
        let metrics = ui.get("/metrics").await?.text();
        metrics.contains(acknowledged).then_some(()).ok_or(metrics)
    })
    .await;
}

#[tokio::test]
async fn users_sign_in_with_tokens_that_survive_a_restart() {
    let directory = TempDir::new().unwrap();
    let path = users(&directory).await;
    let mut collector = with_users(&path).start().await;
    let client = collector.http(collector.nacos().await);
    let register = "POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80";
    assert_eq!(send(&client, register).await.status, StatusCode::FORBIDDEN);
    let login = "POST /v1/auth/users/login?username=orders&password=s3cret";
    let session: Value = send(&client, login).await.json();
    let token = session["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(
        send(&client, &format!("{register}&accessToken={token}"))
            .await
            .text(),
        "ok"
    );
    let other = format!("{register}&namespaceId=other&accessToken={token}");
    assert_eq!(send(&client, &other).await.status, StatusCode::FORBIDDEN);

    collector.terminate().await;
    collector.restart().await;
    let client = collector
        .http(collector.nacos().await)
        .authorized(&format!("Bearer {token}"));
    let list = send(&client, "GET /v1/ns/instance/list?serviceName=a").await;
    assert_eq!(
        list.json::<Value>()["hosts"].as_array().unwrap().len(),
        1,
        "the list did not survive the restart"
    );
}

#[tokio::test]
async fn changes_acknowledged_right_before_a_crash_survive_it() {
    let mut collector = Collector::options().start().await;
    let list = "GET /v1/ns/instance/list?serviceName=a";
    for number in 1..=3 {
        let client = collector.http(collector.nacos().await);
        for call in [
            format!("POST /v1/ns/instance?serviceName=a&ip=10.0.0.{number}&port=80"),
            "POST /v1/ns/instance?serviceName=gone&ip=10.0.0.1&port=80".to_owned(),
            "DELETE /v1/ns/instance?serviceName=gone&ip=10.0.0.1&port=80".to_owned(),
        ] {
            assert_eq!(send(&client, &call).await.text(), "ok");
        }
        // Kills the collector (SIGKILL) without a pause, and starts it again.
        collector.restart().await;
        let client = collector.http(collector.nacos().await);
        let hosts = |reply: http::Reply| {
            let list = reply.json::<Value>();
            list["hosts"].as_array().unwrap().len()
        };
        assert_eq!(hosts(send(&client, list).await), number);
        let removed = send(&client, "GET /v1/ns/instance/list?serviceName=gone").await;
        assert_eq!(hosts(removed), 0);
    }
}

#[tokio::test]
async fn a_mistake_in_the_users_file_is_named_with_its_line() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users");
    std::fs::write(&path, "root s3cret admin\n").unwrap();
    let run = with_users(&path).run().await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    for part in ["line 1", "bcrypt", "hash-password", "SW_NACOS_USERS_FILE"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}
