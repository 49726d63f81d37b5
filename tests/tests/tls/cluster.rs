//! Tests two collectors that connect to each other over TLS, each with its own certificate.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rollcall_tests::{
    PATIENCE,
    engine::{Etcd, Server},
    eventually,
    process::{Collector, Line, Options},
};
use rollcall_tls::testing::{Authority, Request};
use rustix::process::Signal;
use tempfile::TempDir;

use super::peer;

/// The metric of registrations that the other member committed.
const FORWARDED: &str = "rollcall_registrations_forwarded_total{outcome=\"committed\"}";
/// The outcomes of registrations that the other member did not commit.
const NOT_FORWARDED: [&str; 3] = ["failed", "timed_out", "backing_off"];
const NO_TLS: &str = "no TLS with a member";
const REFUSED: &str = "connection refused";

/// A directory with a member's certificate, which `signer` has signed, and the certificate of the authority that the member trusts.
struct Certificate {
    directory: TempDir,
    trusted: String,
}

impl Certificate {
    fn of(signer: &Authority, trusted: &Authority) -> Self {
        let certificate = Self {
            directory: TempDir::new().unwrap(),
            trusted: trusted.pem(),
        };
        certificate.write(signer, 2090);
        certificate
    }

    /// Writes a new certificate that expires in the year `expires`.
    fn write(&self, signer: &Authority, expires: i32) -> rollcall_tls::Files {
        let signed = signer.sign(&Request {
            expires,
            ..Request::default()
        });
        signed.write(self.directory.path(), &self.trusted).unwrap()
    }

    /// The options of a member that advertises `host` and accepts other members only with a certificate.
    fn options(&self, etcd: &Server<Etcd>, host: &str) -> Options {
        let path = self.directory.path();
        let files = rollcall_tls::Files {
            cert_chain: path.join("server.crt"),
            key: path.join("server.key"),
            trusted_ca: path.join("ca.crt"),
        };
        peer::options(&files, "optional")
            .env("SW_REMOTE_GRPC_TLS", "mutual")
            .env("SW_REMOTE_GRPC_ADVERTISED_HOST", host)
            .env("SW_CLUSTER", "etcd")
            .env("SW_CLUSTER_ETCD_ENDPOINTS", etcd.address().to_string())
            .env("SW_STORAGE", "etcd")
            // A forwarded registration may take half of this time, which is enough on a busy machine.
            .env("SW_REGISTER_DEADLINE", "20s")
    }
}

async fn start(options: Options) -> Collector {
    let mut collector = options.start().await;
    collector.expect_log("faces that still serve connections without TLS");
    collector
}

async fn metric(collector: &Collector, name: &str) -> usize {
    let value = collector.query().metric(name).await.unwrap();
    usize::try_from(value).unwrap()
}

async fn know_each_other(collectors: &[&Collector]) {
    for collector in collectors {
        eventually(PATIENCE, async || {
            let serving = metric(collector, "rollcall_members{state=\"serving\"}").await;
            (serving == collectors.len()).then_some(()).ok_or(serving)
        })
        .await;
    }
}

/// Registers new names until the other member has committed one of them.
async fn forwards(collector: &Collector, prefix: &str) {
    let client = collector.grpc().await;
    let before = metric(collector, FORWARDED).await;
    let mut number = 0;
    eventually(PATIENCE, async || {
        number += 1;
        let code = format!("{prefix}-{number}");
        client.application(&code).await.unwrap();
        let now = metric(collector, FORWARDED).await;
        (now > before).then_some(()).ok_or(now)
    })
    .await;
}

/// Replaces the certificate of a member, and waits until the member uses the new one.
async fn exchange(collector: &Collector, certificate: &Certificate, signer: &Authority) {
    certificate.write(signer, 2060);
    collector.signal(Signal::HUP);
    eventually(PATIENCE, async || {
        let exchanged = metric(
            collector,
            "rollcall_certificate_reloads_total{outcome=\"exchanged\"}",
        )
        .await;
        (exchanged == 1).then_some(()).ok_or(exchanged)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_forward_over_mutual_tls_and_no_call_fails_while_a_certificate_is_exchanged() {
    let etcd = Server::<Etcd>::start().await;
    let own = Authority::new("own");
    let certificates = [(); 2].map(|()| Certificate::of(&own, &own));
    // Members are sorted by their addresses as text, and the last one forwards to the first.
    let (owner, mut forwarder) = tokio::join!(
        start(certificates[0].options(&etcd, "127.0.0.1")),
        start(certificates[1].options(&etcd, "localhost")),
    );
    know_each_other(&[&owner, &forwarder]).await;
    forwards(&forwarder, "first").await;

    let stop = Arc::new(AtomicBool::new(false));
    let client = forwarder.grpc().await;
    let calling = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let mut ids = HashSet::new();
            while !stop.load(Relaxed) {
                let code = format!("during-{}", ids.len());
                let id = client.application(&code).await.unwrap();
                assert!(ids.insert(id), "{code} has the id of another name: {id}");
            }
            ids.len()
        }
    });
    let failed = async || {
        let mut failed = Vec::new();
        for outcome in NOT_FORWARDED {
            let name = format!("rollcall_registrations_forwarded_total{{outcome=\"{outcome}\"}}");
            failed.push(metric(&forwarder, &name).await);
        }
        failed
    };
    let before = failed().await;
    exchange(&owner, &certificates[0], &own).await;
    forwards(&forwarder, "second").await;
    exchange(&forwarder, &certificates[1], &own).await;
    forwards(&forwarder, "third").await;
    assert_eq!(failed().await, before, "{NOT_FORWARDED:?}");
    stop.store(true, Relaxed);
    assert!(calling.await.unwrap() > 2);

    // A new connection uses the new certificates of both members.
    assert!(forwarder.terminate().await.success());
    forwarder.restart().await;
    know_each_other(&[&owner, &forwarder]).await;
    forwards(&forwarder, "last").await;
}

/// Waits for a line with this message whose reason begins with `reason`.
async fn explains(collector: &Collector, message: &str, reason: &str) {
    let is_it = |line: &Line| {
        let text = line.text("reason");
        line.message.starts_with(message) && text.is_some_and(|text| text.starts_with(reason))
    };
    collector.wait_for_log(is_it).await;
}

/// Registers names at `collector` until it has tried to connect to the other member and logs why it cannot.
async fn registers_alone(collector: &Collector, reason: &str) {
    let client = collector.grpc().await;
    let mut ids = HashSet::new();
    eventually(PATIENCE, async || {
        let code = format!("alone-{}", ids.len());
        let id = client.application(&code).await.unwrap();
        assert!(ids.insert(id), "{code} has the id of another name: {id}");
        let log = collector.log();
        log.iter()
            .any(|line| line.message.starts_with(NO_TLS))
            .then_some(())
            .ok_or(ids.len())
    })
    .await;
    explains(collector, NO_TLS, reason).await;
}

/// Starts two members. The certificate of the second is signed by an authority that the first does not trust.
async fn pair_with_a_stranger(
    hosts: [&str; 2],
) -> (Server<Etcd>, [Certificate; 2], [Collector; 2]) {
    let etcd = Server::<Etcd>::start().await;
    let (own, foreign) = (Authority::new("own"), Authority::new("foreign"));
    let certificates = [Certificate::of(&own, &own), Certificate::of(&foreign, &own)];
    let (mut known, mut stranger) = tokio::join!(
        start(certificates[0].options(&etcd, hosts[0])),
        start(certificates[1].options(&etcd, hosts[1])),
    );
    know_each_other(&[&known, &stranger]).await;
    for collector in [&mut known, &mut stranger] {
        collector.expect_log(NO_TLS);
        collector.expect_log(REFUSED);
    }
    (etcd, certificates, [known, stranger])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_a_foreign_certificate_is_refused_and_both_logs_have_the_reason() {
    let (_etcd, _files, [known, stranger]) = pair_with_a_stranger(["127.0.0.1", "localhost"]).await;
    registers_alone(
        &stranger,
        "the server refuses the certificate of this collector (UnknownCA)",
    )
    .await;
    explains(
        &known,
        REFUSED,
        "the certificate of the client is not signed by an authority in tls.default.trusted_ca_path",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_registration_is_forwarded_to_a_member_with_a_foreign_certificate() {
    let (_etcd, _files, [known, stranger]) = pair_with_a_stranger(["localhost", "127.0.0.1"]).await;
    registers_alone(
        &known,
        "the certificate of the server is not signed by an authority in tls.default.trusted_ca_path",
    )
    .await;
    explains(
        &stranger,
        REFUSED,
        "the client refuses the certificate of this collector (UnknownCA)",
    )
    .await;
}
