//! Tests the reports to a supervisor (`sd_notify`), the manual page and the shell completions.

use std::{os::unix::net::UnixDatagram, time::Duration};

use rollcall_tests::{
    PATIENCE, http,
    process::{Collector, Line},
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A supervisor that receives reports on a socket.
struct Supervisor {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Supervisor {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, directory }
    }

    fn path(&self) -> String {
        let path = self.directory.path().join("notify");
        path.to_str().unwrap().to_owned()
    }

    /// The next report.
    async fn report(&self) -> String {
        let socket = self.socket.try_clone().unwrap();
        let receive = move || {
            let mut report = [0; 256];
            let length = socket.recv(&mut report).expect("a report in time");
            String::from_utf8(report[..length].to_vec()).unwrap()
        };
        tokio::task::spawn_blocking(receive).await.unwrap()
    }

    /// The next report that is not a watchdog report.
    async fn change(&self) -> String {
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
    let supervisor = Supervisor::start();
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
    let supervisor = Supervisor::start();
    let options = Collector::options().env("NOTIFY_SOCKET", supervisor.path());
    let collector = options.env("WATCHDOG_USEC", "200000").start().await;
    supervisor.change().await;
    assert_eq!(supervisor.report().await, "WATCHDOG=1\n");
    collector.signal(Signal::STOP);
    let quiet = Duration::from_secs(1);
    supervisor.socket.set_read_timeout(Some(quiet)).unwrap();
    let mut reports = 0;
    while supervisor.socket.recv(&mut [0; 64]).is_ok() {
        reports += 1;
        assert!(reports < 5, "a stopped process still sends reports");
    }
    collector.signal(Signal::CONT);
    supervisor.socket.set_read_timeout(Some(PATIENCE)).unwrap();
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
