//! Tests the agent library over TLS.

use std::{fs, time::Duration};

use rollcall_agent::{Agent, Builder, Phase, Status};
use rollcall_tests::PATIENCE;
use rollcall_tls::testing::{Authority, Request};

use super::peer::Issued;

fn builder() -> Builder {
    let second = Duration::from_secs(1);
    Agent::builder("orders")
        .environment([("", "")])
        .channel_interval(second)
        .discovery_interval(second)
        .register_interval(second / 10)
}

async fn until(agent: &Agent, what: &str, wanted: impl Fn(&Status) -> bool) {
    let mut changes = agent.subscribe();
    let changed = async {
        let mut status = agent.status();
        while !wanted(&status) {
            status = changes.changed().await.expect("a running agent");
        }
    };
    let changed = tokio::time::timeout(PATIENCE, changed).await;
    changed.unwrap_or_else(|_| panic!("{what}: not observed in time: {:#?}", agent.status()));
}

#[tokio::test]
async fn an_agent_discovers_and_connects_to_a_collector_over_tls() {
    let issued = Issued::new();
    let mut collector = issued.options("mutual").start().await;
    collector.expect_log("faces that still serve connections without TLS");
    collector.expect_log("connection refused");
    let naming = format!("https://localhost:{}", collector.listeners().naming.port());
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (ca, chain, key) = (
        text(&issued.files.trusted_ca),
        text(&issued.files.cert_chain),
        text(&issued.files.key),
    );
    let own = || builder().collectors([naming.clone()]);
    let running = |status: &Status| status.phase == Phase::Running;
    let agent = own()
        .trusted_ca(&ca)
        .client_certificate(&chain, &key)
        .start()
        .unwrap();
    until(&agent, "running", running).await;
    agent.shutdown(PATIENCE).unwrap();

    // The agents below have no certificate of their own, trust a foreign authority, or expect a name that the certificate lacks.
    let spare = tempfile::tempdir().unwrap();
    let foreign = spare.path().join("foreign.crt");
    fs::write(&foreign, Authority::new("foreign").pem()).unwrap();
    for (builder, reason) in [
        (own().trusted_ca(&ca), "CertificateRequired"),
        (own().trusted_ca(text(&foreign)), "UnknownIssuer"),
        (
            own().trusted_ca(&ca).server_name("other.example"),
            "not valid for name",
        ),
    ] {
        let agent = builder.start().unwrap();
        until(&agent, reason, |status| {
            status
                .last_error
                .as_ref()
                .is_some_and(|error| error.message.contains(reason))
        })
        .await;
        assert!(agent.status().instance_id.is_none());
        agent.shutdown(PATIENCE).unwrap();
    }
    collector.terminate().await;
}

#[tokio::test]
async fn an_agent_can_expect_another_name_in_the_certificate() {
    let issued = Issued::new();
    let other = issued.authority.sign(&Request {
        names: &["rollcall.example"],
        ..Request::default()
    });
    other
        .write(issued.directory.path(), &issued.authority.pem())
        .unwrap();
    let mut collector = issued.options("required").start().await;
    collector.expect_log("faces that still serve connections without TLS");
    let agent = builder()
        .direct_collectors([format!("https://{}", collector.listeners().grpc)])
        .trusted_ca(issued.files.trusted_ca.to_str().unwrap())
        .server_name("rollcall.example")
        .start()
        .unwrap();
    until(&agent, "running", |status| status.phase == Phase::Running).await;
    agent.shutdown(PATIENCE).unwrap();
    collector.terminate().await;
}

#[test]
fn tls_settings_that_cannot_work_are_reported_at_the_start() {
    let own = || builder().direct_collectors(["https://localhost:11800"]);
    let spare = tempfile::tempdir().unwrap();
    let empty = spare.path().join("ca.crt");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap().to_owned();
    for (builder, reason) in [
        (own(), "https://, which needs agent.ssl_trusted_ca_path"),
        (
            own().trusted_ca("/nowhere/ca.crt"),
            "/nowhere/ca.crt: No such file",
        ),
        (
            own().trusted_ca(&empty),
            "holds no certificate in PEM format",
        ),
        (own().server_name("a"), "needs agent.ssl_trusted_ca_path"),
    ] {
        let error = builder.start().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
