//! An etcd that does not let everybody in.

use std::{net::TcpListener, path::Path, process::Command};

use rollcall_tests::{
    PATIENCE,
    engine::{Etcd, Server},
    eventually, http,
    process::{Child, Collector, Options},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::cluster::lists;

/// Two collectors that are registered in the same etcd as they are.
async fn find_each_other(options: impl Fn() -> Options) {
    let (a, b) = tokio::join!(options().start(), options().start());
    lists(&a, &[&a, &b]).await;
    lists(&b, &[&a, &b]).await;
}

fn options(endpoint: &str) -> Options {
    Collector::options()
        .env("SW_CLUSTER", "etcd")
        .env("SW_STORAGE", "etcd")
        .env("SW_CLUSTER_ETCD_ENDPOINTS", endpoint)
}

/// Makes `<name>.pem` and `<name>.key` in `directory`.
fn certify(directory: &Path, name: &str, extra: &[&str]) {
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(["req", "-x509", "-days", "2", "-noenc"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-out", &certificate, "-keyout", &key])
        .args(extra)
        .output()
        .unwrap_or_else(|error| panic!("openssl ({error}): sudo apt-get install openssl"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn collectors_prove_who_they_are_with_a_certificate() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let signed = ["-CA", "ca.pem", "-CAkey", "ca.key"];
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let named = ["-addext", "subjectAltName=IP:127.0.0.1"];
    certify(directory.path(), "ca", &[]);
    let extra = [signed.as_slice(), &leaf, &named].concat();
    certify(directory.path(), "server", &extra);
    certify(
        directory.path(),
        "collector",
        &[signed.as_slice(), &leaf].concat(),
    );

    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (client, peer) = (format!("https://{address}"), "http://127.0.0.1:0");
    let mut command = Command::new("etcd");
    command
        .args(["--data-dir", &file("data")])
        .args(["--listen-client-urls", &client])
        .args(["--advertise-client-urls", &client])
        .args(["--listen-peer-urls", peer])
        .args(["--initial-advertise-peer-urls", peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        .args(["--cert-file", &file("server.pem")])
        .args(["--key-file", &file("server.key")])
        .args(["--client-cert-auth", "--trusted-ca-file", &file("ca.pem")])
        .args(["--logger", "zap"]);
    let etcd = Child::spawn("etcd", &mut command);
    eventually(PATIENCE, async || {
        let connected = TcpStream::connect(address).await;
        connected.map_err(|error| (error, etcd.stderr.so_far()))
    })
    .await;

    find_each_other(|| {
        options(&client)
            .env("SW_CLUSTER_ETCD_CA_FILE", file("ca.pem"))
            .env("SW_CLUSTER_ETCD_CERT_FILE", file("collector.pem"))
            .env("SW_CLUSTER_ETCD_KEY_FILE", file("collector.key"))
    })
    .await;
}

#[tokio::test]
async fn collectors_need_no_more_than_their_own_keys() {
    let etcd = Server::<Etcd>::start().await;
    let client = http::Client::new(etcd.address());
    // Its gateway takes bytes in base64: from /rollcall/ on to before /rollcall0.
    let own = json!({"permType": "READWRITE", "key": "L3JvbGxjYWxsLw==", "range_end": "L3JvbGxjYWxsMA=="});
    for (call, request) in [
        ("user/add", json!({"name": "root", "password": "r00t"})),
        ("role/add", json!({"name": "root"})),
        ("user/grant", json!({"user": "root", "role": "root"})),
        (
            "user/add",
            json!({"name": "rollcall", "password": "s3cret"}),
        ),
        ("role/add", json!({"name": "collector"})),
        ("role/grant", json!({"name": "collector", "perm": own})),
        (
            "user/grant",
            json!({"user": "rollcall", "role": "collector"}),
        ),
        ("enable", json!({})),
    ] {
        let path = format!("/v3/auth/{call}");
        let reply = client.post(&path, request.to_string()).await.unwrap();
        assert_eq!(reply.status, 200, "{call}: {}", reply.text());
    }
    find_each_other(|| {
        options(&etcd.address().to_string())
            .env("SW_CLUSTER_ETCD_USER", "rollcall")
            .env("SW_CLUSTER_ETCD_PASSWORD", "s3cret")
    })
    .await;
}
