//! The pushes of one connection that the client has not acknowledged, and their repetitions.
//!
//! Only the latest push of each subscription is tracked. A push that is not acknowledged in time is repeated with the current
//! state, a limited number of times. A change of the service resets the count. Memory does not grow with the number of changes.
//!
//! It reads no clock: the caller passes the time in milliseconds.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

#[cfg(test)]
mod tests;

/// When a push is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How long an acknowledgement may take.
    pub after: Duration,
    /// The pause before a push is repeated.
    pub pause: Duration,
    /// The most repetitions in a row.
    pub most: u32,
}

/// Pushes by service. `T` is the handle with which the caller repeats a push.
#[derive(Debug)]
pub(super) struct Acks<K, T> {
    retries: Retries,
    /// The latest push of each service that waits for an acknowledgement or for its repetition.
    latest: HashMap<K, Latest<T>>,
    by_number: HashMap<u64, K>,
    /// The deadline of each push, in order. Entries of acknowledged or replaced pushes are dropped when they come first.
    deadlines: VecDeque<(u64, u64)>,
    /// When each failed push is repeated, in that order.
    repeats: VecDeque<(u64, u64, K)>,
}

#[derive(Debug)]
struct Latest<T> {
    handle: T,
    number: u64,
    revision: u64,
    /// Failures of this revision.
    failures: u32,
}

/// Results of pushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lapsed {
    /// Pushes that were not acknowledged in time, or refused.
    pub(super) failed: usize,
    /// The number of these that are not repeated any more.
    pub(super) given_up: usize,
}

impl<K: Clone + Eq + Hash, T> Acks<K, T> {
    pub(super) fn new(retries: Retries) -> Self {
        Self {
            retries,
            latest: HashMap::new(),
            by_number: HashMap::new(),
            deadlines: VecDeque::new(),
            repeats: VecDeque::new(),
        }
    }

    /// Records a push. It replaces an earlier one of the same service.
    pub(super) fn sent(&mut self, service: &K, handle: T, number: u64, revision: u64, now: u64) {
        let earlier = self.latest.remove(service);
        let failures = earlier.map_or(0, |earlier| {
            self.by_number.remove(&earlier.number);
            if earlier.revision == revision {
                earlier.failures
            } else {
                0
            }
        });
        self.latest.insert(
            service.clone(),
            Latest {
                handle,
                number,
                revision,
                failures,
            },
        );
        self.by_number.insert(number, service.clone());
        self.drop_settled();
        let deadline = now.saturating_add(millis(self.retries.after));
        self.deadlines.push_back((deadline, number));
    }

    /// Records the client's answer to a push; a refusal counts as a missing acknowledgement. `None` if the push is not tracked.
    pub(super) fn acknowledge(
        &mut self,
        number: u64,
        is_accepted: bool,
        now: u64,
    ) -> Option<Lapsed> {
        let service = self.by_number.get(&number)?.clone();
        let mut lapsed = Lapsed::default();
        if is_accepted {
            self.forget(&service);
        } else {
            self.fail(&service, now, &mut lapsed);
        }
        self.drop_settled();
        Some(lapsed)
    }

    /// Stops tracking the push of a service.
    pub(super) fn forget(&mut self, service: &K) {
        if let Some(latest) = self.latest.remove(service) {
            self.by_number.remove(&latest.number);
        }
    }

    /// Whether a push waits for its acknowledgement or its repetition.
    #[cfg(test)]
    pub(super) fn is_waiting(&self) -> bool {
        !self.latest.is_empty()
    }

    /// Handles all deadlines up to `now`: calls `repeat` with every push that is to be repeated.
    pub(super) fn check_deadlines(&mut self, now: u64, mut repeat: impl FnMut(&T)) -> Lapsed {
        let mut lapsed = Lapsed::default();
        while let Some((_, number)) = pop_if(&mut self.deadlines, |(at, _)| *at <= now) {
            if let Some(service) = self.by_number.get(&number).cloned() {
                self.fail(&service, now, &mut lapsed);
            }
        }
        while let Some((_, number, service)) = pop_if(&mut self.repeats, |(at, ..)| *at <= now) {
            // A later push has its own deadline.
            let latest = self.latest.get(&service);
            if let Some(latest) = latest.filter(|latest| latest.number == number) {
                repeat(&latest.handle);
            }
        }
        lapsed
    }

    /// Records that the push of a service failed.
    fn fail(&mut self, service: &K, now: u64, lapsed: &mut Lapsed) {
        lapsed.failed += 1;
        let Some(latest) = self.latest.get_mut(service) else {
            return;
        };
        self.by_number.remove(&latest.number);
        if latest.failures >= self.retries.most {
            lapsed.given_up += 1;
            self.latest.remove(service);
            return;
        }
        latest.failures += 1;
        let at = now.saturating_add(millis(self.retries.pause));
        self.repeats.push_back((at, latest.number, service.clone()));
    }

    fn drop_settled(&mut self) {
        let by_number = &self.by_number;
        let is_settled = |(_, number): &(u64, u64)| !by_number.contains_key(number);
        while pop_if(&mut self.deadlines, is_settled).is_some() {}
    }
}

/// Removes the first item if `is_accepted` accepts it.
fn pop_if<T>(queue: &mut VecDeque<T>, is_accepted: impl Fn(&T) -> bool) -> Option<T> {
    queue
        .front()
        .is_some_and(is_accepted)
        .then(|| queue.pop_front())?
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
