//! Blocking calls to etcd.

use rollcall_etcd::{
    Client,
    proto::{
        RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse, request_op::Request,
        response_op::Response,
    },
};
use tokio::runtime::Handle;

use super::Error;

/// A client, and the runtime that its calls run on.
pub(crate) struct Remote {
    pub(crate) client: Client,
    pub(crate) runtime: Handle,
}

impl Remote {
    /// Reads a page within the time limit of a transaction, so that a caller does not wait longer for a read than for its commit.
    pub(super) fn range(&self, range: RangeRequest) -> Result<RangeResponse, Error> {
        let read = self.transaction(TxnRequest {
            success: vec![RequestOp {
                request: Some(Request::RequestRange(range)),
            }],
            ..TxnRequest::default()
        })?;
        let header = read.header;
        match read.responses.into_iter().next().and_then(|it| it.response) {
            Some(Response::ResponseRange(page)) => Ok(RangeResponse { header, ..page }),
            _ => Err(Error::Io("etcd returned no range".to_owned())),
        }
    }

    pub(super) fn transaction(&self, transaction: TxnRequest) -> Result<TxnResponse, Error> {
        self.wait(self.client.transaction(transaction))
    }

    fn wait<R>(
        &self,
        call: impl Future<Output = Result<R, rollcall_etcd::Error>>,
    ) -> Result<R, Error> {
        let answer = self.runtime.block_on(call);
        answer.map_err(|error| Error::Io(error.to_string()))
    }
}
