//! An etcd server for one test.

use std::ops::{Deref, DerefMut};

use rollcall_etcd::{
    proto::{DeleteRangeRequest, RangeRequest, RequestOp, TxnRequest, request_op},
    request::put,
    testing::Process,
};

use super::super::*;

/// A server that runs until it is dropped.
pub(super) struct Server(Process);

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}

impl Server {
    /// Starts a server, and returns once it answers.
    pub(super) fn start() -> Self {
        Self(Process::start())
    }

    /// As [`Self::start`], with additional arguments.
    pub(super) fn start_with(arguments: &'static [&'static str]) -> Self {
        Self(Process::start_with(arguments))
    }

    pub(super) fn remote(&self) -> Remote {
        Remote {
            client: self.client(),
            runtime: self.runtime().handle().clone(),
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

    fn run(&self, operation: RequestOp) {
        let transaction = TxnRequest {
            success: vec![operation],
            ..TxnRequest::default()
        };
        assert!(self.remote().transaction(transaction).unwrap().succeeded);
    }
}
