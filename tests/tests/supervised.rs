//! Tests the reports to a supervisor (`sd_notify`), the manual page and the shell completions.

use std::{
    os::unix::net::UnixDatagram,
    thread,
    time::{Duration, Instant},
};

use rollcall_tests::{
    PATIENCE, http,
    process::{Collector, Line},
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    sync::mpsc::{Receiver, channel},
    time::timeout,
};

/// A supervisor that receives reports on a socket. A thread reads them at once, because the queue of a socket is short.
struct Supervisor {
    reports: Receiver<String>,
    directory: TempDir,
}

impl Supervisor {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        let (sender, reports) = channel(64);
        thread::spawn(move || {
            let mut report = [0; 256];
            while let Ok(length) = socket.recv(&mut report) {
                let report = String::from_utf8(report[..length].to_vec()).unwrap();
                if sender.blocking_send(report).is_err() {
                    return;
                }
            }
        });
        Self { reports, directory }
    }

    fn path(&self) -> String {
        let path = self.directory.path().join("notify");
        path.to_str().unwrap().to_owned()
    }

    /// The next report.
    async fn report(&mut self) -> String {
        let report = timeout(PATIENCE, self.reports.recv()).await;
        report.expect("a report in time").expect("a socket")
    }

    /// The next report that is not a watchdog report.
    async fn change(&mut self) -> String {
        loop {
            let report = self.report().await;
            if report != "WATCHDOG=1\n" {
                return report;
            }
        }
    }
}

#[tokio::test]
async fn a_supervisor_is_notified_of_ready_watchdog_and_stopping_in_this_order() {
    let mut supervisor = Supervisor::start();
    let options = Collector::options()
        .env("NOTIFY_SOCKET", supervisor.path())
        .env("WATCHDOG_USEC", "400000");
    // `start` returns when the collector is ready, which is about the time of the report.
    let mut collector = options.start().await;
    let ready = supervisor.change().await;
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    for address in [collector.listeners().grpc, collector.listeners().naming] {
        TcpStream::connect(address)
            .await
            .expect("a listener that accepts");
    }
    for _ in 0..3 {
        assert_eq!(supervisor.report().await, "WATCHDOG=1\n");
    }

    collector.signal(Signal::TERM);
    let stopping = supervisor.change().await;
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
    assert!(collector.exit().await.success());
}

#[tokio::test]
async fn a_stopped_process_sends_no_watchdog_reports() {
    let mut supervisor = Supervisor::start();
    let options = Collector::options().env("NOTIFY_SOCKET", supervisor.path());
    let collector = options.env("WATCHDOG_USEC", "200000").start().await;
    supervisor.change().await;
    assert_eq!(supervisor.report().await, "WATCHDOG=1\n");
    collector.signal(Signal::STOP);
    // Reports that were sent before it stopped may still arrive.
    let quiet = Duration::from_secs(1);
    let deadline = Instant::now() + PATIENCE;
    while timeout(quiet, supervisor.reports.recv()).await.is_ok() {
        assert!(
            Instant::now() < deadline,
            "a stopped process still sends reports"
        );
    }
    collector.signal(Signal::CONT);
    assert_eq!(supervisor.report().await, "WATCHDOG=1\n");
}

#[tokio::test]
async fn a_collector_runs_without_a_listening_supervisor() {
    let options = Collector::options().env("NOTIFY_SOCKET", "/no/such/socket");
    let mut collector = options.start().await;
    collector.expect_log("the supervisor's socket cannot be used");
    let probe = http::Client::new(collector.listeners().ui);
    assert_eq!(probe.get("/readyz").await.unwrap().status, 200);
    let is_logged = |line: &Line| line.message.contains("the supervisor's socket");
    assert_eq!(
        collector
            .log()
            .iter()
            .filter(|line| is_logged(line))
            .count(),
        1
    );
    assert!(collector.terminate().await.success());
}

#[tokio::test]
async fn the_manual_page_and_the_completions_are_printed() {
    let run = Collector::options().argument("man").run().await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains(".TH rollcall-collector 1"), "{run:?}");
    let page = TempDir::new().unwrap();
    let file = page.path().join("rollcall-collector.1");
    std::fs::write(&file, &run.stdout).unwrap();
    let man = std::process::Command::new("man")
        .args(["--warnings=w", "-l", "-P", "cat"])
        .arg(&file)
        .output()
        .expect("man, which tests/run installs");
    let shown = String::from_utf8_lossy(&man.stdout);
    assert!(
        shown.contains("SIGUSR1") && shown.contains("roster"),
        "{shown}"
    );
    assert!(
        man.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&man.stderr)
    );
    for shell in ["bash", "zsh", "fish"] {
        let options = Collector::options().argument("completions");
        let run = options.argument(shell).run().await;
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.contains("roster"), "{shell}");
    }
}
