//! The queue between the calls and the writer, and the replies.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crossbeam_channel::{Receiver, RecvError, RecvTimeoutError, Sender, TrySendError};
use rollcall_domain::{InstanceId, inventory::Proposal, liveness::Signal};
use rollcall_link as link;
use rollcall_storage::{LastSeen, Storage};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    Error, reads,
    snapshot::{Asked, Wanted},
};
use crate::Core;

/// A request to the writer.
pub(super) enum Message {
    /// Add a job to the next batch.
    Propose(Box<dyn Job>),
    /// Write the leases of these instances, and call this with the result. The writer reads the leases when it writes, so a write
    /// never replaces a later state in the store, in whatever order the callers reach the queue.
    Record(Vec<InstanceId>, Settle),
    /// Check the flags and tickets of the inbox, which are not messages.
    Wake,
}

/// Receives the result of a write.
pub(super) type Settle = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A request that adds to a proposal and whose caller waits. If a job is dropped before it is settled, its caller gets
/// [`Error::Stopped`].
pub(super) trait Job: Send {
    /// Adds the caller's rows to the proposal, and last signs to `seen`. Called again with the next batch if this one conflicts.
    fn propose(&mut self, proposal: &mut Proposal<'_>, seen: &mut Vec<LastSeen>);
    /// Whether the caller still waits.
    fn is_awaited(&self) -> bool;
    /// Whether the last proposal refused the job for a reason that another collector's write may have removed.
    fn is_doubtful(&self) -> bool;
    /// Applies what a durable result changes besides the inventory, if the caller still waits. Called for all jobs of a batch
    /// before the first is settled.
    fn announce(&self, core: &Core);
    /// Answers the caller after the batch is durable.
    fn settle(self: Box<Self>);
    /// Refuses the call; the job is in no further batch.
    fn refuse(self: Box<Self>, error: Error);
}

/// The writer's bounded queue, from the callers' side.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: Sender<Message>,
    flags: Arc<Flags>,
    requests: reads::Requests,
}

/// The writer's side of the queue.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: Receiver<Message>,
    flags: Arc<Flags>,
    /// Callers that wait for a read of the store.
    pub(super) pending: reads::Pending,
}

/// Signals that occupy no place in the queue, so that they can be set while it is full.
#[derive(Debug, Default)]
struct Flags {
    news: AtomicBool,
    stop: AtomicBool,
    snapshot: Wanted,
}

/// A queue for `capacity` messages.
pub(super) fn queue(capacity: usize) -> (Queue, Inbox) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    let flags = Arc::<Flags>::default();
    let (requests, pending) = reads::pair();
    let queue = Queue {
        sender,
        flags: Arc::clone(&flags),
        requests,
    };
    let inbox = Inbox {
        receiver,
        flags,
        pending,
    };
    (queue, inbox)
}

impl Inbox {
    /// Waits for the next message; fails once all senders are dropped.
    pub(super) fn next(&self) -> Result<Message, RecvError> {
        self.receiver.recv()
    }

    /// Waits for the next message, at most until `until`.
    pub(super) fn next_until(&self, until: Instant) -> Result<Message, RecvTimeoutError> {
        self.receiver.recv_deadline(until.into_std())
    }

    /// A message that is already in the queue.
    pub(super) fn waiting(&self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }

    /// Whether other collectors have made something durable since [`Inbox::take_unread_writes`].
    pub(super) fn has_unread_writes(&self) -> bool {
        self.flags.news.load(Ordering::Acquire)
    }

    /// As [`Inbox::has_unread_writes`], and clears the flag, because the caller is about to read the store.
    pub(super) fn take_unread_writes(&self) -> bool {
        self.flags.news.swap(false, Ordering::AcqRel)
    }

    /// Takes the snapshot that a caller has asked for.
    pub(super) fn take_snapshot(&self, storage: &dyn Storage) {
        self.flags.snapshot.serve(storage);
    }

    /// Whether the writer was told to stop and the queue is empty.
    pub(super) fn is_done(&self) -> bool {
        self.flags.stop.load(Ordering::Acquire) && self.receiver.is_empty()
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.sender.len()
    }

    /// The most messages that the queue holds. The queue is always bounded.
    pub(super) fn capacity(&self) -> usize {
        self.sender.capacity().unwrap_or(usize::MAX)
    }

    /// Runs `propose` on the writer, and returns its result once its batch is durable.
    pub(super) fn propose<T: Send + 'static>(
        &self,
        due: Instant,
        mut propose: impl FnMut(&mut Proposal<'_>) -> Result<T, Error> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        self.write(due, move |proposal, _seen| propose(proposal))
    }

    /// As [`Queue::propose`], for the registration of the calling instance, which is then up. The writer marks it as up, a whole
    /// batch at a time: the leases and the rows of neighbouring ids are still in the cache of its processor.
    pub(super) fn register(
        &self,
        due: Instant,
        mut propose: impl FnMut(&mut Proposal<'_>) -> Result<InstanceId, Error> + Send + 'static,
    ) -> impl Future<Output = Result<InstanceId, Error>> + Send {
        let connection = link::kept();
        let announce = move |core: &Core, id: &InstanceId| {
            link::within(connection.as_ref(), || {
                core.renew_or_grant(*id, Signal::Register);
            });
        };
        self.run(due, move |proposal, _seen| propose(proposal), announce)
    }

    /// As [`Queue::propose`]; the same batch also records when instances were last seen.
    pub(super) fn write<T: Send + 'static>(
        &self,
        due: Instant,
        propose: impl FnMut(&mut Proposal<'_>, &mut Vec<LastSeen>) -> Result<T, Error> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        self.run(due, propose, |_core, _result| {})
    }

    /// Queues a job at once. The future, which waits for its end, holds nothing of the job.
    fn run<T: Send + 'static>(
        &self,
        due: Instant,
        propose: impl FnMut(&mut Proposal<'_>, &mut Vec<LastSeen>) -> Result<T, Error> + Send + 'static,
        announce: impl Fn(&Core, &T) + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let (reply, answer) = oneshot::channel();
        let job = ProposeJob {
            propose,
            announce,
            result: None,
            reply,
        };
        let sent = self.send(Message::Propose(Box::new(job)));
        async move {
            sent?;
            match timeout_at(due, answer).await {
                Ok(Ok(result)) => result,
                Ok(Err(oneshot::error::RecvError { .. })) => Err(Error::Stopped),
                Err(tokio::time::error::Elapsed { .. }) => Err(Error::DeadlineExceeded),
            }
        }
    }

    /// Writes the leases of these instances. Once that is durable, or was refused, the writer calls `settle`, whose result is
    /// returned. The writer does both also if the caller gives up. If it ends before, `settle` is dropped.
    pub(super) async fn record<T: Send + 'static>(
        &self,
        instances: Vec<InstanceId>,
        settle: impl FnOnce(Result<(), Error>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, result) = oneshot::channel();
        let settle = Box::new(move |written| answer(reply, settle(written)));
        self.send(Message::Record(instances, settle))?;
        result.await.unwrap_or(Err(Error::Stopped))
    }

    /// Requests that the writer apply the records that other collectors have made durable.
    pub(super) fn catch_up(&self) {
        // If the flag was set already, the earlier call has woken the writer.
        if !self.flags.news.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Waits for a read of the store that begins after this call.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`], [`Error::DeadlineExceeded`] or [`Error::Stopped`]: the store was not read.
    pub(super) async fn read_latest(&self, due: Instant) -> Result<(), Error> {
        let ticket = self.requests.take_ticket();
        if ticket.is_first() {
            self.wake();
        }
        timeout_at(due, ticket.served())
            .await
            .unwrap_or(Err(Error::DeadlineExceeded))
    }

    /// Requests a snapshot of the store.
    pub(super) fn ask_for_snapshot(&self) -> Asked {
        let asked = self.flags.snapshot.ask();
        self.wake();
        asked
    }

    /// Ends the writer after it has processed the queue.
    pub(super) fn stop(&self) {
        self.flags.stop.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Err(error) = self.send(Message::Wake) {
            tracing::trace!(%error, "the writer has ended or is awake already");
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

/// The channel keeps messages without a receiver, so their callers would wait until their deadlines.
impl Drop for Inbox {
    fn drop(&mut self) {
        self.receiver.try_iter().for_each(drop);
    }
}

struct ProposeJob<F, P, T> {
    propose: F,
    announce: P,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, P, T> Job for ProposeJob<F, P, T>
where
    F: FnMut(&mut Proposal<'_>, &mut Vec<LastSeen>) -> Result<T, Error> + Send,
    P: Fn(&Core, &T) + Send,
    T: Send,
{
    fn propose(&mut self, proposal: &mut Proposal<'_>, seen: &mut Vec<LastSeen>) {
        self.result = Some((self.propose)(proposal, seen));
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn is_doubtful(&self) -> bool {
        matches!(&self.result, Some(Err(error)) if error.is_doubtful())
    }

    fn announce(&self, core: &Core) {
        if let Some(Ok(result)) = &self.result
            && self.is_awaited()
        {
            (self.announce)(core, result);
        }
    }

    fn settle(self: Box<Self>) {
        if let Some(result) = self.result {
            answer(self.reply, result);
        }
    }

    fn refuse(self: Box<Self>, error: Error) {
        answer(self.reply, Err(error));
    }
}

/// Answers a caller. The caller may have given up meanwhile.
pub(super) fn answer<T>(reply: oneshot::Sender<Result<T, Error>>, result: Result<T, Error>) {
    if reply.send(result).is_err() {
        tracing::trace!("the caller gave up before it was answered");
    }
}
