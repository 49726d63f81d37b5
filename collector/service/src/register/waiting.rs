//! What the writer makes one batch of.

use std::borrow::Cow;

use rollcall_domain::inventory::Proposal;
use rollcall_storage::{self as storage, LastSeen};
use tokio::sync::oneshot;

use super::{
    Error,
    job::{self, Job, Message},
};

/// What is asked for, and by whom.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// How many of the jobs are in the proposal.
    proposed: usize,
    /// Last signs that these jobs record.
    pub(super) first_signs: Vec<LastSeen>,
    /// Last signs that are to be recorded by themselves.
    pub(super) seen: Vec<LastSeen>,
    noters: Vec<oneshot::Sender<Result<(), Error>>>,
    /// It is part of a batch that the store refused: nothing is added to it.
    pub(super) is_part: bool,
}

impl Waiting {
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Propose(job) => self.jobs.push(job),
            Message::Note(seen, noter) => {
                self.seen.extend(seen);
                self.noters.push(noter);
            }
            Message::Wake => {}
        }
    }

    /// Prepares for a new proposal, which none of the jobs is in.
    pub(super) fn restart(&mut self) {
        self.proposed = 0;
        self.first_signs.clear();
    }

    /// Adds the jobs that came since the last time to the proposal.
    pub(super) fn propose(&mut self, proposal: &mut Proposal<'_>) {
        for job in self.jobs.iter_mut().skip(self.proposed) {
            job.propose(proposal, &mut self.first_signs);
        }
        self.proposed = self.jobs.len();
    }

    /// Whether a job is refused in a way that what another collector wrote may contradict.
    pub(super) fn is_doubtful(&self) -> bool {
        self.jobs.iter().any(|job| job.is_doubtful())
    }

    pub(super) fn seen_len(&self) -> usize {
        self.seen.len() + self.first_signs.len()
    }

    pub(super) fn all_seen(&self) -> Cow<'_, [LastSeen]> {
        if self.first_signs.is_empty() {
            Cow::Borrowed(&self.seen)
        } else {
            Cow::Owned([&self.seen[..], &self.first_signs].concat())
        }
    }

    pub(super) fn settle(&mut self) {
        self.jobs.drain(..).for_each(Job::settle);
        self.answer_noters(|| Ok(()));
    }

    pub(super) fn refuse(&mut self) {
        let refuse = |job: Box<dyn Job>| job.refuse(Error::StoreUnavailable);
        self.jobs.drain(..).for_each(refuse);
        self.answer_noters(|| Err(Error::StoreUnavailable));
    }

    /// Two halves of what is waited for; `None` of what cannot be split.
    pub(super) fn split(&mut self) -> Option<[Self; 2]> {
        let has_signs = !self.noters.is_empty();
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

    /// Tells the callers that the store cannot hold what they ask for.
    pub(super) fn reject(&mut self, error: &storage::Error) {
        let refusal = || Error::Refused {
            reason: error.to_string(),
        };
        let reject = |job: Box<dyn Job>| job.refuse(refusal());
        self.jobs.drain(..).for_each(reject);
        self.answer_noters(|| Err(refusal()));
    }

    fn answer_noters(&mut self, answer: impl Fn() -> Result<(), Error>) {
        self.seen.clear();
        for noter in self.noters.drain(..) {
            job::tell(noter, answer());
        }
    }
}
