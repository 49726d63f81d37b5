//! The one thread that assigns ids.

use crossbeam_channel::Receiver;
use rollcall_domain::inventory::{Allocator, Proposal};
use tokio::sync::oneshot;

use super::job::{Job, Message};
use crate::{
    clock::Clock,
    metrics::Metrics,
    storage::{self, Batch, Seen, Storage},
};

/// Owns the allocator and the storage. Whatever arrives while one batch is being committed goes into the next one.
pub struct Writer {
    pub(super) allocator: Allocator,
    pub(super) storage: Box<dyn Storage>,
    pub(super) queue: Receiver<Message>,
    pub(super) batch_rows: usize,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

/// Those who wait for the batch under construction.
#[derive(Default)]
struct Waiting {
    jobs: Vec<Box<dyn Job>>,
    seen: Vec<Seen>,
    noters: Vec<oneshot::Sender<()>>,
    stop: bool,
}

impl Writer {
    /// Works until it is told to stop. Blocks: it belongs on a thread of its own.
    ///
    /// # Errors
    /// The storage failed. Nobody who waits is answered with an id, and nothing more is assigned: what memory holds is
    /// what the disk holds.
    pub fn run(mut self) -> Result<(), storage::Error> {
        let mut waiting = Waiting::default();
        while !waiting.stop {
            let Ok(first) = self.queue.recv() else { break };
            let mut proposal = self.allocator.propose(self.clock.wall());
            waiting.take(first, &mut proposal);
            while !waiting.stop && proposal.rows().len() + waiting.seen.len() < self.batch_rows {
                let Ok(next) = self.queue.try_recv() else {
                    break;
                };
                waiting.take(next, &mut proposal);
            }
            let rows = proposal.rows().len();
            if rows + waiting.seen.len() > 0 {
                let batch = Batch {
                    rows: proposal.rows(),
                    seen: &waiting.seen,
                };
                let (committed, took) = self.clock.time(|| self.storage.commit(batch));
                committed?;
                self.metrics.committed(rows, took);
                proposal.confirm();
            }
            waiting.settle();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

// === impl Waiting ===

impl Waiting {
    fn take(&mut self, message: Message, proposal: &mut Proposal<'_>) {
        match message {
            Message::Propose(mut job) => {
                job.propose(proposal);
                self.jobs.push(job);
            }
            Message::Note(seen, noter) => {
                self.seen.extend(seen);
                self.noters.push(noter);
            }
            Message::Stop => self.stop = true,
        }
    }

    fn settle(&mut self) {
        for job in self.jobs.drain(..) {
            job.settle();
        }
        self.seen.clear();
        for noter in self.noters.drain(..) {
            if noter.send(()).is_err() {
                tracing::trace!("nobody waits for the note");
            }
        }
    }
}
