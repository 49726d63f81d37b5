//! A real etcd for one test.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    time::{interval, timeout},
};

use super::directory_in_memory;
use crate::{Client, Config, proto::RangeRequest, request::end_of};

/// An etcd process that runs until it is dropped, and a runtime for the calls to it.
#[derive(Debug)]
pub struct Process {
    etcd: Child,
    client: String,
    peer: String,
    arguments: &'static [&'static str],
    runtime: Runtime,
    data: TempDir,
}

/// A copy of a server's data directory.
#[derive(Debug)]
pub struct Snapshot(TempDir);

/// The servers that are started before a test fails: another process may take a free port before etcd binds it.
const ATTEMPTS: usize = 3;
/// The time for a server to answer, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(60);

impl Process {
    /// Starts a server, and returns once it answers.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Self::start`], with additional arguments.
    ///
    /// # Panics
    /// There is no etcd, or it does not answer in time.
    #[must_use]
    pub fn start_with(arguments: &'static [&'static str]) -> Self {
        let mut reasons = Vec::new();
        for _attempt in 0..ATTEMPTS {
            let mut server = Self::spawned(arguments);
            match server.wait_until_it_answers() {
                Ok(()) => return server,
                Err(reason) => reasons.push(reason),
            }
        }
        panic!("{}", reasons.join("\n"));
    }

    fn spawned(arguments: &'static [&'static str]) -> Self {
        let data = directory_in_memory();
        let [client, peer] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        Self {
            etcd: spawn(&data, &client, &peer, arguments),
            client,
            peer,
            arguments,
            runtime: Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            data,
        }
    }

    /// A new client, whose calls run on [`Self::runtime`].
    ///
    /// # Panics
    /// The address is not usable.
    #[must_use]
    pub fn client(&self) -> Client {
        let _runs_here = self.runtime.enter();
        let config = Config {
            endpoints: vec![self.client.clone()],
            ..Config::default()
        };
        Client::new(&config).unwrap()
    }

    /// The runtime of the calls.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A copy of the present data. Restarts the server.
    pub fn save(&mut self) -> Snapshot {
        self.stop();
        let saved = directory_in_memory();
        copy(&self.data, &saved);
        self.start_again();
        Snapshot(saved)
    }

    /// Restores the data of a copy. Restarts the server.
    pub fn roll_back(&mut self, Snapshot(saved): Snapshot) {
        self.stop();
        self.data = saved;
        self.start_again();
    }

    /// Stops the process: it still accepts connections, but answers no call.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues after [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.etcd.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.etcd = spawn(&self.data, &self.client, &self.peer, self.arguments);
        self.wait_until_it_answers()
            .unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// Polls etcd: only an answer shows that it is ready. The error has etcd's log.
    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let client = self.client();
        let Self {
            etcd,
            runtime,
            data,
            ..
        } = self;
        let polled = async {
            let mut pauses = interval(Duration::from_millis(50));
            loop {
                pauses.tick().await;
                let answer = client.range(everything()).await;
                // Another server may answer at the port that this one could not bind.
                if let Some(status) = etcd.try_wait().unwrap() {
                    return Err(format!("etcd ended with {status}"));
                }
                if answer.is_ok() {
                    return Ok(());
                }
            }
        };
        let answered = runtime.block_on(async { timeout(START, polled).await });
        let answered = answered.unwrap_or_else(|_elapsed| Err("etcd does not answer".to_owned()));
        answered.map_err(|reason| {
            let log = fs::read_to_string(data.path().join("log"));
            format!("{reason}; its log: {}", log.unwrap_or_default())
        })
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.etcd), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.etcd.kill().unwrap();
        self.etcd.wait().unwrap();
    }
}

fn spawn(data: &TempDir, client: &str, peer: &str, arguments: &[&str]) -> Child {
    let (client_url, peer_url) = (format!("http://{client}"), format!("http://{peer}"));
    let log = fs::File::create(data.path().join("log")).unwrap();
    Command::new("etcd")
        .arg("--data-dir")
        .arg(data.path().join("data"))
        .args(["--listen-client-urls", &client_url])
        .args(["--advertise-client-urls", &client_url])
        .args(["--listen-peer-urls", &peer_url])
        .args(["--initial-advertise-peer-urls", &peer_url])
        .args(["--initial-cluster", &format!("default={peer_url}")])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("etcd is needed: apt-get install etcd-server, or tests/run")
}

fn copy(from: &TempDir, to: &TempDir) {
    let copied = Command::new("cp")
        .arg("-R")
        .arg(from.path().join("data"))
        .arg(to.path())
        .status();
    assert!(copied.unwrap().success());
}

fn everything() -> RangeRequest {
    RangeRequest {
        key: b"/".to_vec(),
        range_end: end_of("/"),
        ..RangeRequest::default()
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
