//! Measures new connections, with and without TLS.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use futures_util::future::join_all;
use rollcall_tests::{
    bench::{Rounds, connection, naming},
    process::{Collector, cpu_time},
};
use rollcall_tls::testing::Authority;
use rustls::{ClientConfig, client::Resumption, pki_types::ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::{Options, source};

/// The number of clients that connect at the same time.
const CALLERS: usize = 16;
/// The number of connections of one round.
const PLAIN: usize = 4_000;
const TLS: usize = 1_600;

/// The measurements of one kind of connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handshakes {
    /// Connections a second.
    pub(crate) rate: Rounds,
    /// CPU time of the collector for each connection, in microseconds.
    pub(crate) cpu: Rounds,
}

/// The measurements without TLS and with TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Both {
    pub(crate) plain: Handshakes,
    pub(crate) tls: Handshakes,
}

/// Measures connections that are opened, make one naming GET and are closed. The same listener serves both kinds.
pub(crate) async fn measure(options: &Options) -> Both {
    let (authority, directory) = (Authority::new("own"), TempDir::new());
    let directory = directory.expect("a temporary directory");
    let files = authority.write(directory.path()).expect("writable files");
    let path = |path: &std::path::Path| path.display().to_string();
    let mut collector = Collector::options()
        .on_disk()
        .env("SW_TIMELINE_PER_PEER", "100000000")
        .env("SW_CORE_GRPC_SSL_ENABLED", "true")
        .env("SW_CORE_GRPC_SSL_CERT_CHAIN_PATH", path(&files.cert_chain))
        .env("SW_CORE_GRPC_SSL_KEY_PATH", path(&files.key))
        .env("SW_CORE_GRPC_SSL_TRUSTED_CA_PATH", path(&files.trusted_ca))
        // The harness probes the readiness without TLS.
        .env("SW_UI_JETTY_TLS", "optional")
        .start()
        .await;
    collector.expect_log("faces that still serve connections without TLS");
    let mut config = ClientConfig::clone(&authority.client(None, b"http/1.1"));
    config.resumption = Resumption::disabled();
    let tls = TlsConnector::from(Arc::new(config));
    let mut both = Both::default();
    for round in 0..=options.rounds() {
        eprintln!("handshakes: round {round} of {}", options.rounds());
        let plain = connect(&collector, options.count(PLAIN), None).await;
        let secure = connect(&collector, options.count(TLS), Some(&tls)).await;
        // The first round warms up.
        if round > 0 || options.is_quick() {
            both.plain.add(plain);
            both.tls.add(secure);
        }
    }
    both
}

impl Handshakes {
    fn add(&mut self, (rate, cpu): (f64, f64)) {
        self.rate.add(rate);
        self.cpu.add(cpu);
    }
}

/// Opens `count` connections, and returns their rate and the CPU time of each.
async fn connect(collector: &Collector, count: usize, tls: Option<&TlsConnector>) -> (f64, f64) {
    let server = collector.listeners().naming;
    let each = count.div_ceil(CALLERS);
    let (start, before) = (Instant::now(), cpu_time(collector.id()));
    let callers = (0..CALLERS).map(|number| async move {
        for _ in 0..each {
            once(server, number, tls).await;
        }
    });
    join_all(callers).await;
    let cpu = cpu_time(collector.id()) - before;
    let count = (each * CALLERS) as f64;
    let rate = count / start.elapsed().as_secs_f64();
    (rate, cpu.as_secs_f64() * 1e6 / count)
}

async fn once(server: SocketAddr, number: usize, tls: Option<&TlsConnector>) {
    let stream = connection::tcp(source(number), server).await;
    match tls {
        None => get(stream, server).await,
        Some(tls) => {
            let name = ServerName::try_from("localhost").expect("a name");
            let stream = tls.connect(name, stream).await.expect("a handshake");
            get(stream, server).await;
        }
    }
}

async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, server: SocketAddr) {
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n",
        naming::PATH
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("writing a request");
    let mut reply = Vec::with_capacity(1024);
    stream.read_to_end(&mut reply).await.expect("a reply");
    assert!(
        reply.starts_with(b"HTTP/1.1 200 "),
        "{}",
        reply.escape_ascii()
    );
}
