//! A watch: a stream of changes.

use std::sync::Arc;

use tonic::Streaming;

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

    /// The next response: changes; a revision up to which there are none (an empty response); or the cancellation of the watch.
    ///
    /// # Errors
    /// The watch has ended. Open another one; other endpoints are tried before this one.
    pub async fn next(&mut self) -> Result<WatchResponse, Error> {
        let status = match self.responses.message().await {
            Ok(Some(response)) => return Ok(response),
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
