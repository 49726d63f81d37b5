//! The instances whose change of state is to be written soon, and not only in the next round.

use std::{collections::HashSet, mem, sync::Arc};

use parking_lot::Mutex;
use rollcall_domain::{
    InstanceId,
    liveness::{State, Transition},
};
use tokio::sync::Notify;

/// A set of instances, so that it holds each of them at most once however often its state changes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    /// Whether other collectors read the store, so that every change is written.
    is_shared: bool,
    pending: Arc<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    instances: Mutex<HashSet<InstanceId>>,
    /// Wakes the write-back.
    wake: Notify,
}

impl Changes {
    pub(crate) fn new(is_shared: bool) -> Self {
        Self {
            is_shared,
            pending: Arc::default(),
        }
    }

    /// Adds the instance of a change that must be written. If no other collector reads the store, only departures and returns must
    /// be. An agent announces its stop once. Without its return, an instance would be restored in its earlier state, and be left
    /// out of the lists if it was forgotten. A silence need not be written, because the restored lease expires again.
    pub(crate) fn observe(&self, change: &Transition<InstanceId>) {
        if self.is_shared || matches!(change.to, State::Up | State::Left) {
            self.insert(change.key);
        }
    }

    /// Adds an instance.
    pub(crate) fn insert(&self, instance: InstanceId) {
        self.pending.instances.lock().insert(instance);
        self.pending.wake.notify_one();
    }

    /// Removes an instance that the caller is about to write. Returns `false` if it was not in the set.
    pub(crate) fn remove(&self, instance: InstanceId) -> bool {
        self.pending.instances.lock().remove(&instance)
    }

    /// Waits until there is an instance.
    pub(super) async fn any(&self) {
        while self.pending.instances.lock().is_empty() {
            self.pending.wake.notified().await;
        }
    }

    /// Takes all instances, in the order of the store, so that neighbours share pages.
    pub(super) fn take(&self) -> Vec<InstanceId> {
        let instances = mem::take(&mut *self.pending.instances.lock());
        let mut instances: Vec<_> = instances.into_iter().collect();
        instances.sort_unstable();
        instances
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rollcall_domain::{
        Moment,
        liveness::{Contact, Observer, Signal},
    };

    use super::*;

    fn id(raw: i32) -> InstanceId {
        InstanceId::new(raw).unwrap()
    }

    fn changed(raw: i32, from: State, to: State) -> Transition<InstanceId> {
        let now = Moment::from_millis(0);
        Transition {
            number: 1,
            key: id(raw),
            from,
            since: now,
            to,
            at: now,
            last_seen: now,
            signal: Signal::Heartbeat,
            observer: Observer::Here,
            contact: Contact::Unknown,
            usual: Duration::ZERO,
            term: Duration::ZERO,
            is_reported: false,
        }
    }

    #[test]
    fn a_departure_and_a_return_are_written_soon_and_a_silence_only_to_a_shared_store() {
        let transitions = [
            changed(6, State::Left, State::Up),
            changed(1, State::Up, State::Silent),
            changed(2, State::Silent, State::Up),
            changed(3, State::Silent, State::Down),
            changed(4, State::Down, State::Up),
            changed(5, State::Up, State::Left),
            changed(5, State::Left, State::Up),
        ];
        for (is_shared, expected) in [(false, vec![2, 4, 5, 6]), (true, (1..=6).collect())] {
            let changes = Changes::new(is_shared);
            transitions.iter().for_each(|it| changes.observe(it));
            let expected: Vec<_> = expected.into_iter().map(id).collect();
            assert_eq!(changes.take(), expected);
            assert_eq!(changes.take(), []);
        }
    }
}
