//! Tests the commands that query a collector which requires a token or TLS.

use std::{path::Path, process::Command};

use rollcall_tests::{
    PATIENCE, eventually,
    process::{Child, Collector, Line, Options, collector_binary},
};
use rollcall_tls::{
    Files,
    testing::{Authority, Request},
};
use tempfile::TempDir;

const UP: i32 = 0;
const NO_ANSWER: i32 = 4;
const BAD_USAGE: i32 = 64;

/// The options for running the command `members`.
fn members() -> Options {
    Collector::options().argument("members")
}

#[tokio::test]
async fn the_token_comes_from_an_argument_the_environment_or_the_configuration() {
    let options = Collector::options().env("SW_UI_JETTY_TOKEN", "t0ken");
    let collector = options.start().await;
    let ui = collector.listeners().ui;
    let with_url = || members().env("ROLLCALL_URL", ui.to_string());
    let configured = || members().env("SW_UI_JETTY_PORT", ui.port().to_string());
    for admitted in [
        with_url().env("ROLLCALL_TOKEN", "t0ken"),
        with_url().argument("--token").argument("t0ken"),
        configured().env("SW_UI_JETTY_TOKEN", "t0ken"),
    ] {
        let run = admitted.run().await;
        assert_eq!(run.code, Some(UP), "{run:?}");
    }
    for (refused, why) in [
        (with_url(), "ROLLCALL_TOKEN"),
        // The token of the configuration is not sent to another address.
        (
            with_url().env("SW_UI_JETTY_TOKEN", "t0ken"),
            "ROLLCALL_TOKEN",
        ),
        (
            with_url().env("ROLLCALL_TOKEN", "wrong"),
            "ROLLCALL_TOKEN or the `ui` module of the configuration) is not its credential",
        ),
    ] {
        let run = refused.run().await;
        assert_eq!(run.code, Some(NO_ANSWER), "{run:?}");
        assert!(
            run.stderr.contains(why) && !run.stderr.contains("t0ken"),
            "{run:?}"
        );
    }
}

#[tokio::test]
async fn a_query_over_https_succeeds_if_the_authority_is_trusted() {
    let (directory, foreign) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let files = Authority::new("own").write(directory.path()).unwrap();
    let others = Authority::new("other").write(foreign.path()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    // The harness probes without TLS, so the listener has to accept both.
    let options = Collector::options()
        .env("SW_CORE_GRPC_SSL_ENABLED", "true")
        .env("SW_CORE_GRPC_SSL_CERT_CHAIN_PATH", text(&files.cert_chain))
        .env("SW_CORE_GRPC_SSL_KEY_PATH", text(&files.key))
        .env("SW_CORE_GRPC_SSL_TRUSTED_CA_PATH", text(&files.trusted_ca))
        .env("SW_UI_JETTY_TLS", "optional");
    let mut collector = options.start().await;
    collector.expect_log("faces that still serve connections without TLS");
    // The command that trusts another authority aborts its handshake.
    collector.expect_log("connection refused");
    let url = format!("https://localhost:{}", collector.listeners().ui.port());
    let query = |ca: &Path| {
        let options = members().env("ROLLCALL_URL", &url);
        options.env("ROLLCALL_CA_FILE", text(ca))
    };
    let run = query(&files.trusted_ca).run().await;
    assert_eq!(run.code, Some(UP), "{run:?}");
    let run = query(&others.trusted_ca).run().await;
    assert_eq!(run.code, Some(NO_ANSWER), "{run:?}");
    let untrusted = "the certificate of the collector is not signed by an authority in --ca-file (ROLLCALL_CA_FILE)";
    assert!(run.stderr.contains(untrusted), "{run:?}");
    let mut plain = Collector::start().await;
    plain.expect_log("connection refused");
    let port = plain.listeners().ui.port();
    let options = query(&files.trusted_ca);
    let run = options
        .env("ROLLCALL_URL", format!("https://localhost:{port}"))
        .run()
        .await;
    assert_eq!(run.code, Some(NO_ANSWER), "{run:?}");
    let without = "the port may serve connections without TLS only";
    assert!(run.stderr.contains(without), "{run:?}");
    for unusable in [
        members().env("ROLLCALL_URL", &url),
        query(Path::new("/no/such/file")),
    ] {
        let run = unusable.run().await;
        assert_eq!(run.code, Some(BAD_USAGE), "{run:?}");
    }
}

/// Starts a collector that serves only clients with a certificate, and returns it with the port of its admin listener. It does not
/// use the harness, which has no certificate for its probes.
async fn with_mutual_tls(files: &Files, data: &Path) -> (Child, u64) {
    let mut command = Command::new(collector_binary());
    for face in [
        "NAMING_JETTY",
        "AGENT_GRPC",
        "AGENT_JETTY",
        "REMOTE_GRPC",
        "UI_JETTY",
    ] {
        command.env(format!("SW_{face}_PORT"), "0");
        command.env(format!("SW_{face}_TLS"), "mutual");
    }
    command
        .env("SW_NACOS", "none")
        .env("SW_STORAGE_PATH", data)
        .env("SW_SERVER_MAX_CONNECTIONS", "4096")
        .env("SW_CORE_GRPC_SSL_ENABLED", "true")
        .env("SW_CORE_GRPC_SSL_CERT_CHAIN_PATH", &files.cert_chain)
        .env("SW_CORE_GRPC_SSL_KEY_PATH", &files.key)
        .env("SW_CORE_GRPC_SSL_TRUSTED_CA_PATH", &files.trusted_ca)
        .args(["--log-format", "json"]);
    let child = Child::spawn("the collector", &mut command);
    let port = child.stderr.find(PATIENCE, |lines| {
        lines.iter().find_map(|line| {
            let line = Line::parse(line);
            let is_it = line.message == "listening" && line.text("module") == Some("ui");
            let port = line.text("address")?.rsplit_once(':')?.1.parse().ok();
            port.filter(|_| is_it)
        })
    });
    let port = port.await.expect("the admin listener");
    (child, port)
}

#[tokio::test]
async fn a_listener_that_requires_a_certificate_serves_a_client_with_one() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new("own");
    let files = authority.write(directory.path()).unwrap();
    let own = TempDir::new().unwrap();
    let own = authority
        .sign(&Request::default())
        .write(own.path(), &authority.pem());
    let own = own.unwrap();
    let (_collector, port) = with_mutual_tls(&files, &directory.path().join("data")).await;
    let url = format!("https://localhost:{port}");
    let command = || {
        let options = members().env("ROLLCALL_URL", &url);
        options.env("ROLLCALL_CA_FILE", files.trusted_ca.to_str().unwrap())
    };
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let by_variable = || {
        command()
            .env("ROLLCALL_CERT_FILE", path(&own.cert_chain))
            .env("ROLLCALL_KEY_FILE", path(&own.key))
    };
    // The listener is bound before the store is read, so the first queries may fail.
    eventually(PATIENCE, async || {
        let run = by_variable().run().await;
        let is_up = run.code == Some(UP);
        is_up.then_some(()).ok_or(run)
    })
    .await;
    let by_argument = [
        "--cert-file",
        &path(&own.cert_chain),
        "--key-file",
        &path(&own.key),
    ];
    let by_argument = by_argument
        .iter()
        .fold(command(), |it, argument| it.argument(*argument));
    let run = by_argument.run().await;
    assert_eq!(run.code, Some(UP), "{run:?}");

    let run = command().run().await;
    assert_eq!(run.code, Some(NO_ANSWER), "{run:?}");
    assert!(run.stderr.contains("--cert-file"), "{run:?}");
    let without_key = command().env("ROLLCALL_CERT_FILE", path(&own.cert_chain));
    let run = without_key.run().await;
    assert_eq!(run.code, Some(BAD_USAGE), "{run:?}");
    assert!(run.stderr.contains("--key-file"), "{run:?}");
    let plain = by_variable().env("ROLLCALL_URL", format!("http://localhost:{port}"));
    assert_eq!(plain.run().await.code, Some(BAD_USAGE));
}
