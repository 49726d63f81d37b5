//! Drives one connection and its calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use tokio::time::timeout;
use tracing::debug;

use super::stall::Stall;
use super::{End, LINGER};
use crate::Closed;
use crate::calls::Calls;
use crate::traffic::Traffic;
use crate::turns::Turns;

/// A served connection with its calls and its stall timer.
pub(super) struct Served<'a, C> {
    pub(super) connection: Pin<&'a mut C>,
    /// The calls of an HTTP/2 connection. Over HTTP/1, the connection runs its only call itself.
    pub(super) calls: Option<&'a mut Calls>,
    pub(super) turns: Turns,
    pub(super) traffic: Arc<Traffic>,
    pub(super) stall: Stall,
}

impl<C: Future<Output = Result<(), BoxError>>> Served<'_, C> {
    /// Sends the remaining output of the connection, beginning with GOAWAY, and discards the input. Returns when both directions
    /// have ended, or after [`LINGER`]. Returns at once for a peer that does not read.
    pub(super) async fn linger(&mut self, why: Closed) {
        self.traffic.close();
        let time = match why {
            Closed::Unread => Duration::ZERO,
            _ => LINGER,
        };
        // The timeout polls the connection before it checks the time.
        match timeout(time, poll_fn(|context| self.poll(context))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(error = &*error, "connection failed while it was closed"),
            Err(_elapsed) => debug!("closing a connection that its peer has not closed"),
        }
    }

    /// Reads and writes, then runs the calls. h2 wakes the connection for their answers, and the next poll writes all of them.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let Some(calls) = &mut self.calls else {
            return self.connection.as_mut().poll(context);
        };
        let traffic = &self.traffic;
        self.turns.poll(context, |context| {
            let ended = self.connection.as_mut().poll(context);
            if ended.is_pending() {
                traffic.deliver();
                calls.poll(context);
            }
            ended
        })
    }

    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.traffic.begin_turn();
        if let Poll::Ready(result) = self.poll(context) {
            return Poll::Ready(End::Ended(result));
        }
        self.traffic.settle();
        if self.traffic.is_flooded() {
            return Poll::Ready(End::Flooded);
        }
        if self.traffic.is_over_budget() {
            return Poll::Ready(End::OverBudget);
        }
        self.stall
            .poll(&self.traffic, context)
            .map(|()| End::Stalled)
    }
}
