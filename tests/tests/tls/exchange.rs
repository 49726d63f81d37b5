//! Tests a certificate that is replaced while clients make calls.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Method;
use rollcall_tests::eventually;
use rollcall_tls::testing::Request;
use rustix::process::Signal;
use tokio::task::JoinHandle;

use super::peer::{Issued, connect, grpc, http1, listeners};

/// One client for each listener. It opens a connection for every call, and panics if a call fails.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(issued: &Issued, listeners: Vec<(&'static str, SocketAddr)>) -> Self {
        let (stop, calls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let call = |(face, address)| {
            let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
            let is_grpc = matches!(face, "agent_gRPC" | "remote" | "nacos_gRPC");
            let protocol: &[u8] = if is_grpc { b"h2" } else { b"http/1.1" };
            let settings = issued.authority.client(None, protocol);
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    let stream = connect(address, Some(Arc::clone(&settings))).await.unwrap();
                    if is_grpc {
                        grpc(stream, "/NetworkAddressRegisterService/batchRegister")
                            .await
                            .unwrap();
                    } else {
                        http1(stream, Method::GET, "/", "").await.unwrap();
                    }
                    calls.fetch_add(1, Relaxed);
                }
            })
        };
        let callers = listeners.into_iter().map(call).collect();
        Self {
            stop,
            calls,
            callers,
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    /// Stops the clients, and returns the number of calls.
    async fn stop(self) -> usize {
        self.stop.store(true, Relaxed);
        for caller in self.callers {
            caller.await.unwrap();
        }
        self.calls.load(Relaxed)
    }
}

#[tokio::test]
async fn no_call_fails_while_a_certificate_is_exchanged() {
    let issued = Issued::new();
    let mut collector = issued.options("required").start().await;
    collector.expect_log("faces that still serve connections without TLS");
    let load = Load::start(&issued, listeners(&collector).await);
    let admin = collector.http(collector.listeners().ui);
    let exchanged = async |count: usize, year: i32| {
        let signed = issued.authority.sign(&Request {
            expires: year,
            ..Request::default()
        });
        signed
            .write(issued.directory.path(), &issued.authority.pem())
            .unwrap();
        collector.signal(Signal::HUP);
        let wanted =
            format!("rollcall_certificate_reloads_total{{outcome=\"exchanged\"}} {count}\n");
        eventually(Duration::from_secs(20), async || {
            let metrics = admin.get("/metrics").await?.text();
            metrics.contains(&wanted).then_some(()).ok_or(metrics)
        })
        .await;
        let before = load.calls();
        eventually(Duration::from_secs(20), async || {
            let now = load.calls();
            (now > before + 20).then_some(()).ok_or(now)
        })
        .await;
    };
    for (count, year) in [(1, 2060), (2, 2070), (3, 2080)] {
        exchanged(count, year).await;
    }
    // If the new files are unusable, the collector keeps its certificate and is degraded.
    collector.expect_log("new certificate files refused");
    std::fs::write(&issued.files.key, "none").unwrap();
    collector.signal(Signal::HUP);
    eventually(Duration::from_secs(20), async || {
        let ready = admin.get("/readyz").await?.text();
        let is_reported =
            ready.contains("degraded") && ready.contains("server.key holds no private key");
        is_reported.then_some(()).ok_or(ready)
    })
    .await;
    let metrics = admin.get("/metrics").await.unwrap().text();
    assert!(
        metrics.contains("rollcall_certificate_expiry_timestamp_seconds 3471292800\n"),
        "{metrics}"
    );
    assert!(load.stop().await > 100);
    collector.terminate().await;
}
