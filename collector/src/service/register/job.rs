//! The way from a call to the writer and back.

use crossbeam_channel::{Receiver, Sender, TrySendError};
use rollcall_domain::inventory::Proposal;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::Error;
use crate::storage::Seen;

/// What the writer is asked to do.
pub(super) enum Message {
    /// Put something into the next batch.
    Propose(Box<dyn Job>),
    /// Note when instances were last seen, and say when that is durable.
    Note(Vec<Seen>, oneshot::Sender<()>),
    /// Finish what was asked before this, and end.
    Stop,
}

/// A proposal whose caller waits. Dropped unsettled, it tells the caller that the writer has ended.
pub(super) trait Job: Send {
    /// Puts what the caller wants into the batch.
    fn propose(&mut self, proposal: &mut Proposal<'_>);
    /// Tells the caller, now that the batch is durable.
    fn settle(self: Box<Self>);
}

/// The writer's bounded queue, from the callers' side.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: Sender<Message>,
}

impl Queue {
    pub(super) fn bounded(capacity: usize) -> (Self, Receiver<Message>) {
        let (sender, receiver) = crossbeam_channel::bounded(capacity);
        (Self { sender }, receiver)
    }

    pub(super) fn len(&self) -> usize {
        self.sender.len()
    }

    /// Has `propose` run by the writer, and gives its result once the batch it went into is durable.
    pub(super) async fn propose<T: Send + 'static>(
        &self,
        due: Instant,
        propose: impl FnOnce(&mut Proposal<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Waiting {
            propose: Some(propose),
            result: None,
            reply,
        };
        self.send(Message::Propose(Box::new(job)))?;
        match timeout_at(due, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(oneshot::error::RecvError { .. })) => Err(Error::Stopped),
            Err(tokio::time::error::Elapsed { .. }) => Err(Error::DeadlineExceeded),
        }
    }

    /// Has the writer note when instances were last seen; returns once that is durable, or the writer has ended.
    pub(super) async fn note(&self, seen: Vec<Seen>) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Note(seen, reply))?;
        answer
            .await
            .map_err(|oneshot::error::RecvError { .. }| Error::Stopped)
    }

    /// Lets the writer finish and end. Waits for a place in the queue, so not for async code.
    pub(super) fn stop(&self) {
        if self.sender.send(Message::Stop).is_err() {
            tracing::debug!("the writer has already ended");
        }
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.sender
            .try_send(message)
            .map_err(|refused| match refused {
                TrySendError::Full(_) => Error::Overloaded,
                TrySendError::Disconnected(_) => Error::Stopped,
            })
    }
}

struct Waiting<F, T> {
    propose: Option<F>,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Job for Waiting<F, T>
where
    F: FnOnce(&mut Proposal<'_>) -> Result<T, Error> + Send,
    T: Send,
{
    fn propose(&mut self, proposal: &mut Proposal<'_>) {
        if let Some(propose) = self.propose.take() {
            self.result = Some(propose(proposal));
        }
    }

    fn settle(self: Box<Self>) {
        if let Some(result) = self.result
            && self.reply.send(result).is_err()
        {
            tracing::trace!("the caller gave up before its id was durable");
        }
    }
}
