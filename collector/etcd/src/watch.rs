//! A watch: a stream of changes.

use std::sync::Arc;

use tonic::{Status, Streaming};

use super::{
    Error,
    connection::{Connection, Target},
    ended,
    proto::WatchResponse,
};

/// A stream of changes as they happen.
#[derive(Debug)]
pub struct Watch {
    responses: Streaming<WatchResponse>,
    connection: Arc<Connection>,
    target: Target,
}

impl Watch {
    pub(super) fn new(
        responses: Streaming<WatchResponse>,
        connection: Arc<Connection>,
        target: Target,
    ) -> Self {
        Self {
            responses,
            connection,
            target,
        }
    }

    /// The next response: changes, or an empty response with a revision up to which there are no more changes.
    ///
    /// # Errors
    /// The watch has ended: its stream broke, or etcd cancelled it. Open another one; other endpoints are tried before this one.
    pub async fn next(&mut self) -> Result<WatchResponse, Error> {
        let status = match self.responses.message().await {
            Ok(Some(response)) if !response.canceled => return Ok(response),
            Ok(Some(response)) => Status::cancelled(response.cancel_reason),
            Ok(None) => ended(),
            Err(status) => status,
        };
        self.connection.leave(&self.target);
        Err(Error::unavailable(
            Arc::clone(&self.target.endpoint),
            &status,
        ))
    }
}
