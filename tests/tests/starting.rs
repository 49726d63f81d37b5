//! Tests the start of a collector: signals and mistakes that end it, and the answers of probes until it is ready.

use std::{fs, io::Write as _, net::UdpSocket, path::PathBuf, process::Command, thread};

use rollcall_tests::{
    PATIENCE, eventually, http,
    process::{Child, Collector, Level, Line, free_addresses},
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{sync::oneshot, time::timeout};

fn log(child: &Child) -> Vec<Line> {
    let lines = child.stderr.so_far();
    lines.iter().map(|line| Line::parse(line)).collect()
}

/// A supervisor may stop a collector that is still waiting for its store.
#[tokio::test]
async fn a_signal_ends_a_starting_collector_cleanly() {
    let data = TempDir::new().unwrap();
    let [nowhere] = free_addresses::<1>();
    for signal in [Signal::TERM, Signal::INT] {
        let options = Collector::options()
            .env("SW_STORAGE", "etcd")
            .env("SW_STORAGE_ETCD_ENDPOINTS", nowhere.to_string());
        let (mut collector, _) = options.launch(data.path());
        let waits = collector.stderr.find(PATIENCE, |lines| {
            let waits = |line: &String| line.contains("store unavailable at start, retrying");
            lines.iter().any(waits).then_some(())
        });
        waits
            .await
            .expect("the collector does not wait for its store");
        collector.signal(signal);
        assert_eq!(collector.exit(PATIENCE).await.code(), Some(0));
        let log = log(&collector);
        let stopped = |line: &Line| line.message == "stopped before the store was read";
        assert!(log.iter().any(stopped), "{log:#?}");
        assert!(log.iter().all(|line| line.level < Level::Error), "{log:#?}");
    }
}

/// Opens a pipe for writing, in a thread. This waits until another process opens the pipe for reading.
fn opened(pipe: PathBuf) -> oneshot::Receiver<fs::File> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || sender.send(fs::OpenOptions::new().write(true).open(pipe).unwrap()));
    receiver
}

/// The collector reads the Nacos users from a pipe, so the test decides how long the start waits for them.
#[tokio::test]
async fn probes_are_answered_while_the_users_of_nacos_are_read() {
    let data = TempDir::new().unwrap();
    let pipe = data.path().join("users");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo, of coreutils").success());
    let options = Collector::options().env("SW_NACOS_USERS_FILE", pipe.to_str().unwrap());
    let (mut collector, listeners) = options.launch(&data.path().join("data"));
    let reads = timeout(PATIENCE, opened(pipe)).await;
    let mut users = reads
        .expect("the collector does not read its users")
        .unwrap();
    let probe = http::Client::new(listeners.ui);
    assert_eq!(probe.get("/livez").await.unwrap().status, 200);
    assert_eq!(probe.get("/readyz").await.unwrap().status, 503);

    // No client signs in with this hash.
    let hash = "$2a$10$EuWPZHzz32dJN7jexM34MOeYirDdFAZm2kuWj7VEOJhhZkDrxfvUu";
    writeln!(users, "root {hash} admin").unwrap();
    drop(users);
    eventually(PATIENCE, async || match probe.get("/readyz").await {
        Ok(reply) if reply.status == 200 => Ok(()),
        other => Err((other, log(&collector))),
    })
    .await;
    collector.signal(Signal::TERM);
    assert_eq!(collector.exit(PATIENCE).await.code(), Some(0));
}

/// A mistake in the Nacos settings is reported before the store is opened, because reading a large store takes minutes.
#[tokio::test]
async fn the_nacos_settings_are_checked_before_the_store_is_opened() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (variable, value) in [
        ("SW_NACOS_USERS_FILE", "/no/such/file"),
        ("SW_NACOS_UDP_PORT", &port),
    ] {
        let options = Collector::options().data_dir(&data);
        let run = options.env(variable, value).run().await;
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(variable), "{}", run.stderr);
        assert!(!data.exists(), "{variable}: the store was opened");
    }
}
