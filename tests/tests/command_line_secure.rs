//! Tests the commands that ask a collector with a token, and over TLS.

use rollcall_tests::process::{Collector, Options};
use rollcall_tls::testing::Authority;
use tempfile::TempDir;

const UP: i32 = 0;
const NOT_ASKED: i32 = 4;
const BAD_USAGE: i32 = 64;

/// The options of the command `members`.
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
        // The token of the configuration is not for another address.
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
        assert_eq!(run.code, Some(NOT_ASKED), "{run:?}");
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
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    // The harness waits for a plain probe.
    let options = Collector::options()
        .env("SW_CORE_GRPC_SSL_ENABLED", "true")
        .env("SW_CORE_GRPC_SSL_CERT_CHAIN_PATH", text(&files.cert_chain))
        .env("SW_CORE_GRPC_SSL_KEY_PATH", text(&files.key))
        .env("SW_CORE_GRPC_SSL_TRUSTED_CA_PATH", text(&files.trusted_ca))
        .env("SW_UI_JETTY_TLS", "optional");
    let mut collector = options.start().await;
    collector.expect_log("faces that still serve connections without TLS");
    // The command that trusts another authority breaks off its handshake.
    collector.expect_log("connection refused");
    let url = format!("https://localhost:{}", collector.listeners().ui.port());
    let query = |ca: &std::path::Path| {
        let options = members().env("ROLLCALL_URL", &url);
        options.env("ROLLCALL_CA_FILE", text(ca))
    };
    let run = query(&files.trusted_ca).run().await;
    assert_eq!(run.code, Some(UP), "{run:?}");
    let run = query(&others.trusted_ca).run().await;
    assert_eq!(run.code, Some(NOT_ASKED), "{run:?}");
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
    assert_eq!(run.code, Some(NOT_ASKED), "{run:?}");
    let without = "the port may serve connections without TLS only";
    assert!(run.stderr.contains(without), "{run:?}");
    for unusable in [
        members().env("ROLLCALL_URL", &url),
        query(std::path::Path::new("/no/such/file")),
    ] {
        let run = unusable.run().await;
        assert_eq!(run.code, Some(BAD_USAGE), "{run:?}");
    }
}
