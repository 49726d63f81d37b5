//! The calls that wait for one batch of the writer.

use rollcall_domain::{InstanceId, inventory::Proposal};
use rollcall_storage::{self as storage, LastSeen};

use super::{
    Error,
    job::{Job, Message, Settle},
    outage::Outage,
};
use crate::Core;

/// The requests of one batch, with their callers.
#[derive(Default)]
pub(super) struct PendingBatch {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// The number of jobs that are in the proposal.
    proposed: usize,
    /// Last signs recorded by these jobs.
    pub(super) first_signs: Vec<LastSeen>,
    /// Instances whose leases are to be written.
    instances: Vec<InstanceId>,
    /// Receive the result of these writes.
    settles: Vec<Settle>,
    /// Whether this is a part of a batch that the store refused. Nothing is added to such a part.
    pub(super) is_part: bool,
}

impl PendingBatch {
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Propose(job) => self.jobs.push(job),
            Message::Record(instances, settle) => {
                self.instances.extend(instances);
                self.settles.push(settle);
            }
            Message::Wake => {}
        }
    }

    /// Prepares for a new, empty proposal.
    pub(super) fn restart(&mut self) {
        self.proposed = 0;
        self.first_signs.clear();
    }

    /// Adds the jobs that arrived since the last call to the proposal.
    pub(super) fn propose(&mut self, proposal: &mut Proposal<'_>) {
        for job in self.jobs.iter_mut().skip(self.proposed) {
            job.propose(proposal, &mut self.first_signs);
        }
        self.proposed = self.jobs.len();
    }

    /// Whether a job is refused for a reason that another collector's write may have removed.
    pub(super) fn is_doubtful(&self) -> bool {
        self.jobs.iter().any(|job| job.is_doubtful())
    }

    pub(super) fn seen_len(&self) -> usize {
        self.instances.len() + self.first_signs.len()
    }

    /// What the batch writes about leases, as they are now. An instance that has got a lease since its first sign may have left, so
    /// that sign is replaced by the lease.
    pub(super) fn seen(&self, core: &Core, is_shared: bool) -> Vec<LastSeen> {
        let leases = self.instances.iter().copied();
        let mut seen: Vec<_> = leases
            .filter_map(|instance| core.last_seen(instance, is_shared))
            .collect();
        seen.extend(self.first_signs.iter().filter_map(|sign| {
            if core.is_unseen(sign.instance) {
                Some(*sign)
            } else {
                core.last_seen(sign.instance, is_shared)
            }
        }));
        seen
    }

    /// Answers the callers of a durable batch. Their changes are announced before the first answer, because an answer wakes the
    /// task of a connection, and that task is to find the answers to all of its calls.
    pub(super) fn settle(&mut self, core: &Core) {
        self.jobs.iter().for_each(|job| job.announce(core));
        self.jobs.drain(..).for_each(Job::settle);
        self.settle_seen(|| Ok(()));
    }

    pub(super) fn refuse(&mut self, outage: &Outage) {
        let refuse = |job: Box<dyn Job>| job.refuse(outage.refusal());
        self.jobs.drain(..).for_each(refuse);
        self.settle_seen(|| Err(outage.refusal()));
    }

    /// Splits the requests into two halves; `None` if they cannot be split.
    pub(super) fn split(&mut self) -> Option<[Self; 2]> {
        let has_signs = !self.settles.is_empty();
        if self.jobs.len() + usize::from(has_signs) < 2 {
            return None;
        }
        let mut signs = std::mem::take(self);
        let middle = if has_signs { 0 } else { signs.jobs.len() / 2 };
        let jobs = Self {
            jobs: signs.jobs.split_off(middle),
            is_part: true,
            ..Self::default()
        };
        signs.is_part = true;
        Some([jobs, signs])
    }

    /// Refuses the requests, because the store cannot hold their values.
    pub(super) fn reject(&mut self, error: &storage::Error) {
        let refusal = || Error::Refused {
            reason: error.to_string(),
        };
        let reject = |job: Box<dyn Job>| job.refuse(refusal());
        self.jobs.drain(..).for_each(reject);
        self.settle_seen(|| Err(refusal()));
    }

    fn settle_seen(&mut self, result: impl Fn() -> Result<(), Error>) {
        self.instances.clear();
        for settle in self.settles.drain(..) {
            settle(result());
        }
    }
}
