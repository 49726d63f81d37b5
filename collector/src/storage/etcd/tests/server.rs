//! An etcd of a test's own.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use rollcall_proto::etcd::DeleteRangeRequest;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Duration, interval},
};

use super::super::*;

/// Runs until it is dropped.
pub(super) struct Server {
    etcd: Child,
    endpoint: String,
    runtime: Runtime,
    _data: TempDir,
}

impl Server {
    /// Returns once it answers.
    pub(super) fn start() -> Self {
        let data = TempDir::new().unwrap();
        let [client, peer] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let (client_url, peer_url) = (format!("http://{client}"), format!("http://{peer}"));
        let log = fs::File::create(data.path().join("log")).unwrap();
        let etcd = Command::new("etcd")
            .arg("--data-dir")
            .arg(data.path().join("data"))
            .args(["--listen-client-urls", &client_url])
            .args(["--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url])
            .args(["--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("default={peer_url}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is needed: apt-get install etcd-server, or tests/run");
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = Self {
            etcd,
            endpoint: client,
            runtime,
            _data: data,
        };
        let client = server.client();
        server.runtime.block_on(async {
            // Nothing tells that etcd listens but an answer.
            let mut pauses = interval(Duration::from_millis(50));
            while client.range(everything()).await.is_err() {
                pauses.tick().await;
            }
        });
        server
    }

    fn client(&self) -> Client {
        let _runs_here = self.runtime.enter();
        let config = etcd::Config {
            endpoints: vec![self.endpoint.clone()],
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

    pub(super) fn delete(&self, key: &str) {
        let delete = DeleteRangeRequest {
            key: key.into(),
            range_end: Vec::new(),
        };
        self.run(RequestOp {
            request: Some(request_op::Request::RequestDeleteRange(delete)),
        });
    }

    /// It still takes connections and answers nobody.
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
