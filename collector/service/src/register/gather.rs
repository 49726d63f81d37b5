//! Pauses before a batch while many callers register at once, so that the batch holds more of their jobs.
//!
//! A commit costs nearly the same for one row and for a hundred, mostly for its syncs. On a fast disk only a few jobs arrive during
//! a commit, and each would pay a large share of the next one. So after a batch of several jobs, the next batch begins [`PAUSE`]
//! after the commit. A caller that registers alone never waits, and on a slow disk the commit takes longer than the pause.

use std::{thread, time::Duration};

use tokio::time::Instant;

/// The number of jobs in one batch from which on many callers are assumed to register at once.
const CROWD: usize = 4;
/// The time from a commit to the next batch.
const PAUSE: Duration = Duration::from_millis(1);

/// When the next batch may begin.
#[derive(Debug, Default)]
pub(super) struct Gather {
    earliest: Option<Instant>,
}

impl Gather {
    /// Records that a batch of this many jobs was committed now.
    pub(super) fn committed(&mut self, jobs: usize, now: Instant) {
        self.earliest = (jobs >= CROWD).then(|| now + PAUSE);
    }

    /// Blocks until the next batch may begin. Does not wait on the queue, because each arriving job would wake the thread.
    #[expect(
        clippy::disallowed_methods,
        reason = "at most one pause, on the writer's own thread, which has no event to wait for"
    )]
    pub(super) fn wait(&mut self) {
        thread::sleep(self.take_pause(Instant::now()));
    }

    /// The remaining time until the next batch may begin; zero from the second call after a commit on.
    fn take_pause(&mut self, now: Instant) -> Duration {
        let earliest = self.earliest.take();
        earliest.map_or(Duration::ZERO, |earliest| {
            earliest.saturating_duration_since(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_batch_of_several_jobs_is_followed_by_a_pause() {
        let (mut gather, now) = (Gather::default(), Instant::now());
        assert_eq!(gather.take_pause(now), Duration::ZERO, "no commit yet");
        for (jobs, pause) in [
            (1, Duration::ZERO),
            (CROWD - 1, Duration::ZERO),
            (CROWD, PAUSE),
        ] {
            gather.committed(jobs, now);
            assert_eq!(gather.take_pause(now), pause, "{jobs} jobs");
            assert_eq!(gather.take_pause(now), Duration::ZERO, "taken");
        }
    }

    #[test]
    fn a_job_that_arrives_later_waits_for_the_rest_of_the_pause_only() {
        let (mut gather, now) = (Gather::default(), Instant::now());
        gather.committed(CROWD, now);
        assert_eq!(gather.take_pause(now + PAUSE / 4), PAUSE / 4 * 3);
        gather.committed(CROWD, now);
        assert_eq!(gather.take_pause(now + 2 * PAUSE), Duration::ZERO);
    }
}
