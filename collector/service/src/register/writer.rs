//! The writer: the only thread that assigns ids.

use crossbeam_channel::RecvTimeoutError;
use rollcall_domain::{
    InstanceId,
    inventory::{self, Allocator, Proposal, Row},
};
use rollcall_metrics::Metrics;
use rollcall_storage::{self as storage, Batch, Commit, LastSeen, Storage};
use tokio::time::Instant;

use super::{
    agreement::Agreement,
    gather::Gather,
    job::{Inbox, Message},
    outage::{Operation, Outage},
    pace::Pacer,
    room::Room,
    waiting::PendingBatch,
};
use crate::{Core, readiness::Readiness};

/// Owns the allocator and the storage. Jobs that arrive during a commit, or in the pause after a batch of several jobs
/// (`Gather`), go into the next batch.
///
/// A store may be shared with other collectors. A batch that conflicts with a write of another collector is dropped and built
/// again from the updated inventory; its callers only wait longer. During a transient failure of the store every job is
/// refused at once.
pub struct Writer {
    pub(super) allocator: Allocator,
    pub(super) storage: Box<dyn Storage>,
    pub(super) inbox: Inbox,
    pub(super) batch_rows: usize,
    pub(super) core: Core,
    pub(super) readiness: Readiness,
    pub(super) metrics: Metrics,
    pub(super) outage: Option<Outage>,
    pub(super) agreement: Agreement,
    pub(super) room: Room,
    pub(super) pacer: Pacer,
    pub(super) gather: Gather,
    /// When the last warning about a refused batch was logged.
    pub(super) warned_at: Option<Instant>,
}

/// Why a writer has ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store could not be read.
    #[error(transparent)]
    Read(storage::Error),
    /// A batch could not be committed. No waiting caller gets an id, and memory stays equal to the store.
    #[error(transparent)]
    Write(storage::Error),
    /// A record of another collector contradicts the inventory of this one.
    #[error(
        "the store contradicts its earlier records: {0}; restart the collector to reload the store"
    )]
    Contradiction(#[from] inventory::restore::Error),
}

/// The part of the store that must be read before a batch is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Writes of other collectors that the store has reported.
    News,
    /// The write of another collector that this batch conflicted with.
    Conflict,
    /// Everything that is durable now. A job is about to be refused for a reason that another collector's write may have removed.
    Latest,
}

/// The readiness condition of the store.
const STORAGE: &str = "storage";

impl Writer {
    /// Runs until [`Handle::stop`](super::Handle::stop). It blocks, so call it on a thread of its own.
    ///
    /// # Errors
    /// The writer cannot continue: see [`Failure`].
    pub fn run(mut self) -> Result<(), Failure> {
        let mut waiting = PendingBatch::default();
        // A store may hold more than the memory limit of this collector.
        self.room.observe(&self.core, &self.readiness, 0);
        while !self.inbox.is_done() {
            self.inbox.take_snapshot(&*self.storage);
            match self.next() {
                Ok(message) => {
                    waiting.take(message);
                    self.gather.wait();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Some(outage) = self.outage.filter(Outage::is_backing_off) {
                self.refuse(&mut waiting, &outage);
                continue;
            }
            match self.batch(&mut waiting) {
                Ok(()) => {}
                Err(Failure::Read(error)) if error.is_transient() => {
                    let outage = self.failed(Operation::Read, &error);
                    self.refuse(&mut waiting, &outage);
                }
                Err(Failure::Write(error)) if error.is_transient() => {
                    let outage = self.failed(Operation::Write, &error);
                    self.refuse(&mut waiting, &outage);
                }
                Err(Failure::Write(error)) if error.is_invalid() => {
                    self.isolate(&mut waiting, &error)?;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// The next message. Times out when work without a message is due.
    fn next(&self) -> Result<Message, RecvTimeoutError> {
        match self.outage {
            Some(outage) => self.inbox.next_until(outage.retry_at()),
            None if self.inbox.has_unread_writes() || self.inbox.pending.up_to().is_some() => {
                Err(RecvTimeoutError::Timeout)
            }
            None => match self.pacer.next_due() {
                Some(due) => self.inbox.next_until(due),
                None => self.inbox.next().map_err(RecvTimeoutError::from),
            },
        }
    }

    /// Builds and commits one batch of the waiting jobs and of those that arrive meanwhile. Builds it again after each conflict
    /// with another collector.
    pub(super) fn batch(&mut self, waiting: &mut PendingBatch) -> Result<(), Failure> {
        let mut need = Need::News;
        self.pacer.release();
        loop {
            self.read(need)?;
            let publishes = self.storage.is_shared() && self.agreement.publishes();
            let defers = |instance| self.pacer.defers(instance);
            let mut proposal = self.allocator.propose(self.core.clock.wall());
            proposal.defer(&defers);
            let due = self.pacer.due().iter();
            due.for_each(|change| proposal.describe(change));
            waiting.restart();
            waiting.propose(&mut proposal);
            // A job that arrives after the fresh read may need a still fresher one.
            let takes_more = !waiting.is_part && need != Need::Latest;
            while takes_more && proposal.rows().len() + waiting.seen_len() < self.batch_rows {
                let Some(next) = self.inbox.waiting() else {
                    break;
                };
                waiting.take(next);
                waiting.propose(&mut proposal);
            }
            if need != Need::Latest && self.storage.is_shared() && waiting.is_doubtful() {
                need = Need::Latest;
                continue;
            }
            let (rows, refused) = (proposal.rows().len(), proposal.refused());
            let changes = proposal.changes();
            // New rows carry a digest; rows of a changed instance do not. After a failed write an entry without rows tests whether
            // writes succeed again.
            let has_to_write = self.outage.is_some_and(|outage| outage.needs_write());
            let must_publish =
                publishes && rows == 0 && (self.agreement.must_publish() || has_to_write);
            let seen = waiting.seen(&self.core, self.storage.is_shared());
            if rows + seen.len() > 0 || must_publish {
                if self.core.listening.take_outlived_loss() {
                    self.storage.forget_loss();
                }
                let batch = Batch {
                    rows: proposal.rows(),
                    seen: &seen,
                    digest: (publishes && rows > 0 || must_publish).then(|| proposal.digest()),
                };
                let (committed, took) = self.core.clock.time(|| self.storage.commit(batch));
                if committed.map_err(Failure::Write)? == Commit::Conflict {
                    self.metrics.conflicted();
                    need = Need::Conflict;
                    waiting.jobs.retain(|job| job.is_awaited());
                    continue;
                }
                self.metrics.committed(rows, took);
                self.gather.committed(waiting.jobs.len(), Instant::now());
                publish(&self.core, proposal);
                if must_publish {
                    self.agreement.published();
                }
                self.succeeded(Operation::Write);
            }
            self.room.observe(&self.core, &self.readiness, refused);
            self.pacer.committed(changes);
            self.grant(&waiting.first_signs);
            waiting.settle(&self.core);
            return Ok(());
        }
    }

    /// Grants the leases of instances whose first sign is durable. The writer grants them itself, because a caller may have given
    /// up, and because the leases may be compared with the store before a caller runs.
    fn grant(&self, first_signs: &[LastSeen]) {
        for seen in first_signs {
            if self.core.is_unseen(seen.instance) {
                self.core.renew_or_grant(seen.instance, seen.signal);
            }
        }
    }

    /// Reads the writes of other collectors. Reads the store itself if a caller waits for a fresh read or the batch needs one;
    /// otherwise only the writes since the last read, if the store has reported any.
    fn read(&mut self, need: Need) -> Result<(), Failure> {
        let has_unread_writes = self.inbox.take_unread_writes();
        let tickets = self.inbox.pending.up_to();
        if tickets.is_some() || need == Need::Latest {
            self.read_latest()?;
            if let Some(tickets) = tickets {
                self.inbox.pending.serve(tickets);
            }
        } else if has_unread_writes || need == Need::Conflict || self.outage.is_some() {
            self.catch_up()?;
        } else {
            return Ok(());
        }
        self.repair()?;
        self.succeeded(Operation::Read);
        if !self.storage.is_shared() {
            // It has written the batch that failed.
            self.succeeded(Operation::Write);
        }
        Ok(())
    }

    /// Answers every waiting caller that the store is unavailable.
    pub(super) fn refuse(&self, waiting: &mut PendingBatch, outage: &Outage) {
        waiting.refuse(outage);
        self.inbox.pending.refuse();
    }

    pub(super) fn failed(&mut self, operation: Operation, error: &storage::Error) -> Outage {
        if self.outage.is_none() {
            tracing::error!(%error, "store unavailable, new registrations are refused until the store is back");
        }
        self.readiness.degraded(STORAGE, error.to_string());
        if self.storage.is_shared() {
            // Other collectors may receive signals that this one cannot read, or that they cannot write.
            self.core.lessor.lose_contact();
        }
        let outage = Outage::after(self.outage, operation, error.is_full());
        self.outage = Some(outage);
        outage
    }

    fn succeeded(&mut self, operation: Operation) {
        let before = self.outage;
        self.outage = before.and_then(|outage| outage.without(operation));
        if before.is_some() && self.outage.is_none() {
            tracing::info!("store available again");
            self.readiness.met(STORAGE);
            self.core.lessor.regain_contact(self.core.clock.now());
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Makes a committed proposal visible, and counts its instances with their applications.
fn publish(core: &Core, proposal: Proposal<'_>) {
    let adopts = proposal.rows().iter().any(is_adoption);
    let instances: Vec<_> = proposal.rows().iter().filter_map(instance_of).collect();
    proposal.confirm();
    for instance in instances {
        core.lessor.learn_group(instance);
    }
    if adopts {
        // The batch was built on the whole store, so this store has never assigned the id.
        core.listening.observe_unknown_id();
    }
}

/// The instance of a row.
pub(super) fn instance_of(row: &Row) -> Option<InstanceId> {
    match row {
        Row::Instance(instance) => Some(instance.id),
        Row::Application(_) | Row::Operation(_) | Row::Address(_) => None,
    }
}

/// Whether the row is an adopted instance.
pub(super) fn is_adoption(row: &Row) -> bool {
    matches!(row, Row::Instance(instance) if instance.adopted)
}
