//! Tests a reader of the log that stalls, closes, or has a full disk: the collector loses log lines, but keeps working.

use std::{
    fs::OpenOptions,
    net::SocketAddr,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rollcall_tests::{
    PATIENCE, eventually, http,
    process::{free_addresses, release_binary},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A collector that logs a lot, to a standard error that the test chooses and does not read.
struct Logger {
    child: Child,
    naming: SocketAddr,
    /// The listener that agents over HTTP share with the operator.
    http: SocketAddr,
    _data: TempDir,
}

impl Logger {
    async fn start(stderr: impl Into<Stdio>) -> Self {
        let data = TempDir::new().unwrap();
        let [naming, grpc, http] = free_addresses();
        let child = Command::new(release_binary())
            .args(["--log-format", "json", "--log-level", "debug"])
            .env("SW_NAMING_JETTY_PORT", naming.port().to_string())
            .env("SW_AGENT_GRPC_PORT", grpc.port().to_string())
            .env("SW_AGENT_JETTY_PORT", http.port().to_string())
            .env("SW_NACOS", "none")
            .env("SW_SERVER_SHUTDOWN_GRACE", "1h")
            .env("SW_STORAGE_PATH", data.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let logger = Self {
            child,
            naming,
            http,
            _data: data,
        };
        let probe = http::Client::new(http);
        eventually(PATIENCE, async || match probe.get("/readyz").await {
            Ok(reply) if reply.status == 200 => Ok(()),
            other => Err(other),
        })
        .await;
        logger
    }

    /// Opens connections, which the collector logs, until it drops lines for this reason. Checks that it answers every call in the
    /// meantime.
    async fn logs_until_lines_are_dropped(&self, reason: &str) {
        let [naming, admin] = [self.naming, self.http].map(http::Client::new);
        let metric = format!("rollcall_log_lines_dropped_total{{reason=\"{reason}\"}} ");
        let started = Instant::now();
        loop {
            for _ in 0..500 {
                // The collector logs a connection that ends before its protocol is known.
                drop(TcpStream::connect(self.naming).await.unwrap());
            }
            assert_eq!(naming.get("/agent/gRPC").await.unwrap().status, 200);
            assert_eq!(admin.get("/livez").await.unwrap().status, 200);
            let metrics = admin.get("/metrics").await.unwrap().text();
            let dropped = metrics
                .lines()
                .find_map(|line| line.strip_prefix(&metric))
                .unwrap_or_else(|| panic!("no {metric} in {metrics}"));
            if dropped != "0" {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "no line was dropped");
        }
    }

    fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    async fn exit(&mut self) -> ExitStatus {
        eventually(PATIENCE, async || {
            let status = self.child.try_wait().unwrap();
            status.ok_or("the collector is still running")
        })
        .await
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}

#[tokio::test]
async fn a_stalled_log_reader_loses_lines_and_does_not_stop_the_collector() {
    let mut logger = Logger::start(Stdio::piped()).await;
    let _unread: Option<ChildStderr> = logger.child.stderr.take();
    logger.logs_until_lines_are_dropped("full").await;
    logger.terminate();
    assert_eq!(logger.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_a_collector_with_a_stalled_log_at_once() {
    let mut logger = Logger::start(Stdio::piped()).await;
    let _unread: Option<ChildStderr> = logger.child.stderr.take();
    logger.logs_until_lines_are_dropped("full").await;
    // A request whose body never arrives delays the drain for the whole grace period of one hour.
    let mut request = TcpStream::connect(logger.http).await.unwrap();
    let head = "POST /application/register HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    request.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    request.read_exact(&mut go_on).await.unwrap();
    logger.terminate();
    eventually(PATIENCE, async || {
        match TcpStream::connect(logger.naming).await {
            Ok(_) => Err("the collector still accepts connections"),
            Err(_) => Ok(()),
        }
    })
    .await;
    let drained = Instant::now();
    // Repetitions within a second of the first signal are ignored.
    let status = eventually(PATIENCE, async || {
        logger.terminate();
        let status = logger.child.try_wait().unwrap();
        status.ok_or("the collector is still running")
    })
    .await;
    assert_eq!(status.code(), Some(1));
    let took = drained.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_closed_log_reader_loses_lines_and_does_not_stop_the_collector() {
    let mut logger = Logger::start(Stdio::piped()).await;
    drop(logger.child.stderr.take());
    logger.logs_until_lines_are_dropped("failed").await;
    logger.terminate();
    assert_eq!(logger.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_full_log_disk_loses_lines_and_does_not_stop_the_collector() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut logger = Logger::start(full).await;
    logger.logs_until_lines_are_dropped("failed").await;
    logger.terminate();
    assert_eq!(logger.exit().await.code(), Some(0));
}
