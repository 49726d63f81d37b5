//! An etcd server for one test.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use rollcall_etcd::proto::{DeleteRangeRequest, RangeRequest, RequestOp, TxnRequest, request_op};
use rollcall_etcd::{
    self as etcd,
    request::{end_of, put},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Duration, interval},
};

use super::super::*;

/// A server that runs until it is dropped.
pub(super) struct Server {
    etcd: Child,
    client: String,
    peer: String,
    arguments: &'static [&'static str],
    runtime: Runtime,
    data: TempDir,
}

/// A copy of a server's data directory.
pub(super) struct Snapshot(TempDir);

impl Server {
    /// Starts a server, and returns once it answers.
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Self::start`], with additional arguments.
    pub(super) fn start_with(arguments: &'static [&'static str]) -> Self {
        let data = TempDir::new().unwrap();
        let [client, peer] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let server = Self {
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
        };
        server.wait_until_it_answers();
        server
    }

    /// A copy of the present data. Restarts the server.
    pub(super) fn save(&mut self) -> Snapshot {
        self.stop();
        let saved = TempDir::new().unwrap();
        copy(&self.data, &saved);
        self.start_again();
        Snapshot(saved)
    }

    /// Restores the data of a copy. Restarts the server.
    pub(super) fn roll_back(&mut self, Snapshot(saved): Snapshot) {
        self.stop();
        self.data = saved;
        self.start_again();
    }

    fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.etcd.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.etcd = spawn(&self.data, &self.client, &self.peer, self.arguments);
        self.wait_until_it_answers();
    }

    /// Polls etcd: only an answer shows that it is ready.
    fn wait_until_it_answers(&self) {
        let client = self.client();
        self.runtime.block_on(async {
            let mut pauses = interval(Duration::from_millis(50));
            while client.range(everything()).await.is_err() {
                pauses.tick().await;
            }
        });
    }

    fn client(&self) -> Client {
        let _runs_here = self.runtime.enter();
        let config = etcd::Config {
            endpoints: vec![self.client.clone()],
            ..etcd::Config::default()
        };
        Client::new(&config).unwrap()
    }

    pub(super) fn remote(&self) -> Remote {
        Remote {
            client: self.client(),
            runtime: self.runtime.handle().clone(),
        }
    }

    pub(super) fn put(&self, key: &str, value: &[u8]) {
        self.run(put(key, value.to_vec()));
    }

    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let found = self.remote().range(RangeRequest {
            key: key.into(),
            ..RangeRequest::default()
        });
        let mut found = found.unwrap().kvs;
        found.pop().map(|pair| pair.value.to_vec())
    }

    /// The keys of the store that begin with a name.
    pub(super) fn keys(&self, name: &str) -> Vec<String> {
        let remote = self.remote();
        let prefix = remote.key(name);
        let mut keys = Vec::new();
        let listed = remote.each(&prefix, prefix.clone().into_bytes(), |pair| {
            keys.push(String::from_utf8(pair.key.to_vec()).unwrap());
            Ok::<_, Error>(())
        });
        listed.unwrap();
        keys
    }

    pub(super) fn delete(&self, key: &str) {
        let delete = DeleteRangeRequest {
            key: key.into(),
            range_end: Vec::new(),
        };
        self.run(RequestOp {
            request: Some(request_op::Request::RequestDeleteRange(delete)),
        });
    }

    /// Stops the process: it still accepts connections, but answers no call.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn run(&self, operation: RequestOp) {
        let transaction = TxnRequest {
            success: vec![operation],
            ..TxnRequest::default()
        };
        assert!(self.remote().transaction(transaction).unwrap().succeeded);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.etcd), signal).unwrap();
    }
}

impl Drop for Server {
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
