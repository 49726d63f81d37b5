//! Tests collectors with an etcd that has access control.

use std::{net::SocketAddr, path::Path, process::Command};

use rollcall_tests::{
    PATIENCE,
    engine::{Engine, Etcd, Server, directory_in_memory},
    eventually, http,
    process::{Child, Collector, Options, free_addresses},
    proxy::Proxy,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::cluster::lists;

/// Starts two collectors, and waits until each lists both.
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

/// Creates the certificate `<name>.pem` and the key `<name>.key` in `directory`.
fn certify(directory: &Path, name: &str, extra: &[&str]) {
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
    let subject = format!("/CN={name}");
    let arguments = [
        ["req", "-x509", "-days", "2", "-noenc"].as_slice(),
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        &["-subj", &subject, "-out", &certificate, "-keyout", &key],
        extra,
    ];
    openssl(directory, &arguments.concat());
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("openssl ({error}): sudo apt-get install openssl"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[tokio::test]
async fn collectors_authenticate_with_a_certificate() {
    let directory = directory_in_memory();
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

    let [address] = free_addresses();
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

/// An etcd that issues JSON web tokens. A token becomes invalid as soon as any user or role changes.
#[derive(Debug)]
enum WebTokens {}

impl Engine for WebTokens {
    const NAME: &'static str = Etcd::NAME;
    const NEEDS: &'static [(&'static str, &'static str)] = Etcd::NEEDS;

    fn command(address: SocketAddr, directory: &Path) -> Command {
        let file = |name: &str| directory.join(name).display().to_string();
        openssl(directory, &["genrsa", "-out", "token.key", "2048"]);
        openssl(
            directory,
            &["rsa", "-in", "token.key", "-pubout", "-out", "token.pub"],
        );
        let (private, public) = (file("token.key"), file("token.pub"));
        let mut command = Etcd::command(address, directory);
        command.arg("--auth-token").arg(format!(
            "jwt,sign-method=RS256,priv-key={private},pub-key={public}"
        ));
        command
    }

    async fn serves(address: SocketAddr) -> Result<(), String> {
        Etcd::serves(address).await
    }
}

/// Turns on access control, with full access for `root`, and access to the collector's own keys only for `rollcall`.
async fn secure(etcd: &http::Client) {
    // The gateway uses base64 for bytes. The range is from /rollcall/ up to, but without, /rollcall0.
    let own = json!({"permType": "READWRITE", "key": "L3JvbGxjYWxsLw==", "range_end": "L3JvbGxjYWxsMA=="});
    for (path, change) in [
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
        call(etcd, path, &change).await;
    }
}

async fn call(etcd: &http::Client, path: &str, change: &Value) -> Value {
    let path = format!("/v3/auth/{path}");
    let reply = etcd.post(&path, change.to_string()).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// Adds valid credentials.
fn known(options: Options) -> Options {
    options
        .env("SW_CLUSTER_ETCD_USER", "rollcall")
        .env("SW_CLUSTER_ETCD_PASSWORD", "s3cret")
}

#[tokio::test]
async fn collectors_need_access_to_their_own_keys_only() {
    let etcd = Server::<Etcd>::start().await;
    secure(&http::Client::new(etcd.address())).await;
    find_each_other(|| known(options(&etcd.address().to_string()))).await;
}

#[tokio::test]
async fn a_wrong_password_ends_the_start_at_once() {
    let etcd = Server::<Etcd>::start().await;
    secure(&http::Client::new(etcd.address())).await;
    let run = options(&etcd.address().to_string())
        .env("SW_CLUSTER_ETCD_USER", "rollcall")
        .env("SW_CLUSTER_ETCD_PASSWORD", "guessed")
        .run()
        .await;
    assert_eq!(run.code, Some(1), "{run:#?}");
    assert!(
        run.stderr.contains("check the user, the password"),
        "{run:#?}"
    );
    assert!(
        !run.stderr.contains("store unavailable at start"),
        "{run:#?}"
    );
}

#[tokio::test]
async fn collectors_keep_working_when_users_and_roles_change() {
    let etcd = Server::<WebTokens>::start().await;
    let root = http::Client::new(etcd.address());
    secure(&root).await;
    let credentials = json!({"name": "root", "password": "r00t"});
    let login = call(&root, "authenticate", &credentials).await;
    let root = root.authorized(login["token"].as_str().unwrap());
    let link = Proxy::to(etcd.address()).await;
    let joined = |address: SocketAddr| {
        // A busy machine may take some time to sign in again.
        let options = options(&address.to_string()).env("SW_REGISTER_DEADLINE", "20s");
        known(options).start()
    };
    let (mut a, mut b) = tokio::join!(joined(etcd.address()), joined(link.address()));
    lists(&a, &[&a, &b]).await;
    let (to_a, to_b) = (a.grpc().await, b.grpc().await);
    assert_eq!(to_a.application("before").await.unwrap(), -1);

    call(&root, "role/add", &json!({"name": "other"})).await;
    assert_eq!(to_a.application("after").await.unwrap(), 2);
    assert_eq!(to_b.application("later").await.unwrap(), -2);

    // The watch that must be reopened has sent no request since this change, so its token is invalid.
    call(&root, "role/delete", &json!({"role": "other"})).await;
    // On a busy machine, the engine may answer late even without a cut.
    for member in [&mut a, &mut b] {
        member.expect_outage();
    }
    link.cut().await;
    // The member that was cut off may be the one that assigns the ids.
    let last = eventually(PATIENCE, async || to_a.application("last").await).await;
    assert_eq!(last, 3);
    eventually(PATIENCE, async || {
        let applications = b.query().applications().await?;
        let is_there = applications
            .iter()
            .any(|of| of.code.as_deref() == Some("last"));
        is_there
            .then_some(())
            .ok_or_else(|| format!("{applications:?}"))
    })
    .await;
    let c = joined(etcd.address()).await;
    lists(&b, &[&a, &b, &c]).await;
}
