//! Tests peers that every face must refuse, and the reasons that both sides report.

use std::net::SocketAddr;

use rollcall_tests::process::{Collector, Line};
use rollcall_tls::testing::{Authority, Request};

use super::peer::{Issued, connect, http1, listeners, refusal};

/// Waits for the log line about a refused connection to this listener.
async fn wait_for_refusal(collector: &Collector, listener: SocketAddr, reason: &str) {
    let is_it = |line: &Line| {
        let text = line.fields.get("reason").and_then(|text| text.as_str());
        line.message == "connection refused"
            && line.fields["listener"] == listener.to_string()
            && text.is_some_and(|text| text.starts_with(reason))
    };
    let line = collector.wait_for_log(is_it).await;
    assert_eq!(line.fields["class"], "loopback");
}

#[tokio::test]
async fn every_face_refuses_bad_client_certificates_and_states_the_reason() {
    let issued = Issued::new();
    let options = issued
        .options("mutual")
        .argument("--log-level")
        .argument("debug");
    let mut collector = options.start().await;
    collector.expect_log("faces that still serve connections without TLS");
    collector.expect_log("connection refused");
    let good = issued.authority.sign(&Request::default());
    let expired = issued.authority.sign(&Request {
        expires: 2020,
        ..Request::default()
    });
    let foreign = Authority::new("foreign").sign(&Request::default());
    // This certificate is almost as long as a handshake message may be.
    let giant = issued.authority.sign(&Request {
        padding: 1800,
        ..Request::default()
    });
    for (face, address) in listeners(&collector).await {
        if face == "ui" {
            continue; // it is `optional`, for the probes of the harness
        }
        for (identity, alert, reason) in [
            (
                None,
                "CertificateRequired",
                "the client sent no certificate",
            ),
            (
                Some(&expired),
                "CertificateExpired",
                "the certificate of the client has expired",
            ),
            (
                Some(&foreign),
                "UnknownCA",
                "the certificate of the client is not signed by an authority in tls.default.trusted_ca_path",
            ),
        ] {
            let error = refusal(address, &issued.authority, identity).await;
            assert!(error.contains(alert), "{face}: {error}");
            wait_for_refusal(&collector, address, reason).await;
        }
        let settings = issued.authority.client(Some(&giant), b"h2");
        connect(address, Some(settings)).await.unwrap();
        let settings = issued.authority.client(Some(&good), b"h2");
        connect(address, Some(settings)).await.unwrap();
        let plain = connect(address, None).await.unwrap();
        let (status, text) = http1(plain, http::Method::GET, "/", "").await.unwrap();
        assert_eq!(status, 400, "{face}");
        assert!(text.contains("this port serves TLS only"), "{face}: {text}");
    }
    collector.terminate().await;
}

#[tokio::test]
async fn unusable_certificate_files_are_named_before_the_start() {
    let issued = Issued::new();
    let (other, spare) = (Authority::new("other"), tempfile::tempdir().unwrap());
    let key = other.write(spare.path()).unwrap().key;
    let wrong = issued
        .options("required")
        .env("SW_CORE_GRPC_SSL_KEY_PATH", key.to_str().unwrap());
    let checked = wrong.clone().argument("--check").run().await;
    assert_eq!(checked.code, Some(64), "{}", checked.stderr);
    assert!(
        checked.stderr.contains("server.crt cannot be used"),
        "{}",
        checked.stderr
    );
    let run = wrong.run().await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("TLS is enabled and cannot be served"),
        "{}",
        run.stderr
    );
}

#[tokio::test]
async fn an_admin_face_on_the_network_needs_credentials_or_an_explicit_setting() {
    let open = || {
        Collector::options()
            .env("SW_UI_JETTY_HOST", "0.0.0.0")
            .argument("--check")
    };
    let run = open().run().await;
    assert_eq!(run.code, Some(64), "{}", run.stderr);
    for expected in [
        "without a token every caller",
        "SW_UI_JETTY_TOKEN",
        "SW_UI_JETTY_ALLOW_ANONYMOUS",
    ] {
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
    let token = open().env("SW_UI_JETTY_TOKEN", "s3cret").run().await;
    assert!(
        !token.stderr.contains("without a token every caller"),
        "{}",
        token.stderr
    );
    assert!(
        token.stderr.contains("cross the network unencrypted"),
        "{}",
        token.stderr
    );
    let allowed = open()
        .env("SW_UI_JETTY_ALLOW_ANONYMOUS", "true")
        .run()
        .await;
    assert!(
        !allowed.stderr.contains("without a token every caller"),
        "{}",
        allowed.stderr
    );
}
