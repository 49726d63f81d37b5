//! A stream of changes.

use std::sync::Arc;

use tonic::Streaming;

use super::{
    Error,
    connection::{Connection, Place},
    ended,
    proto::WatchResponse,
};

/// Changes, as they happen.
#[derive(Debug)]
pub struct Watch {
    responses: Streaming<WatchResponse>,
    connection: Arc<Connection>,
    place: Place,
}

impl Watch {
    pub(super) fn new(
        responses: Streaming<WatchResponse>,
        connection: Arc<Connection>,
        place: Place,
    ) -> Self {
        Self {
            responses,
            connection,
            place,
        }
    }

    /// The next message: changes, how far there are none (a response without any), or that no more will come.
    ///
    /// # Errors
    /// The watch has ended, and its endpoint is not asked again before the others: begin another one.
    pub async fn next(&mut self) -> Result<WatchResponse, Error> {
        let status = match self.responses.message().await {
            Ok(Some(response)) => return Ok(response),
            Ok(None) => ended(),
            Err(status) => status,
        };
        self.connection.leave(&self.place);
        Err(Error::unavailable(
            Arc::clone(&self.place.endpoint),
            &status,
        ))
    }
}
