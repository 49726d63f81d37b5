//! The instances whose change of state is to be written soon, and not only in the next round.
//!
//! Such an instance is pending, or a write of it is under way, until a write that began after the change has succeeded. So a goodbye
//! that is repeated can tell whether the departure is durable. The reason for the change is not kept: the writer reads the lease.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
    ops::Bound,
    sync::Arc,
};

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
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    unwritten: Mutex<Unwritten>,
    /// Wakes the write-back.
    wake: Notify,
}

#[derive(Debug, Default)]
struct Unwritten {
    /// In the order of the store, so that neighbours share pages.
    pending: BTreeSet<InstanceId>,
    /// The number of writes under way, by instance. A write that has begun before a change says nothing about that change, so an
    /// instance may be pending as well.
    writing: HashMap<InstanceId, usize>,
}

impl Unwritten {
    fn ends(&mut self, instance: InstanceId) {
        if let Some(writes) = self.writing.get_mut(&instance) {
            *writes -= 1;
            if *writes == 0 {
                self.writing.remove(&instance);
            }
        }
    }
}

impl Changes {
    pub(crate) fn new(is_shared: bool) -> Self {
        Self {
            is_shared,
            shared: Arc::default(),
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
        self.shared.unwritten.lock().pending.insert(instance);
        self.shared.wake.notify_one();
    }

    /// A write of no instances yet.
    pub(crate) fn write(&self) -> Write {
        Write {
            changes: self.clone(),
            instances: Vec::new(),
        }
    }

    /// Waits until there is a pending instance.
    pub(super) async fn any(&self) {
        while self.shared.unwritten.lock().pending.is_empty() {
            self.shared.wake.notified().await;
        }
    }

    /// A write of the next `limit` pending instances after this one; `None` if there are none.
    pub(super) fn next(&self, after: Option<InstanceId>, limit: usize) -> Option<Write> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut write = self.write();
        let unwritten = self.shared.unwritten.lock();
        let pending = unwritten.pending.range((after, Bound::Unbounded));
        let next: Vec<_> = pending.take(limit).copied().collect();
        drop(unwritten);
        for instance in next {
            write.add(instance);
        }
        (!write.is_empty()).then_some(write)
    }
}

/// A write of instances, which ends with [`Write::succeeded`]. If it is dropped before, its instances are pending again.
#[derive(Debug)]
pub(crate) struct Write {
    changes: Changes,
    instances: Vec<InstanceId>,
}

impl Write {
    /// Adds an instance. Returns whether it had a change that is not durable yet.
    pub(crate) fn add(&mut self, instance: InstanceId) -> bool {
        self.instances.push(instance);
        let mut unwritten = self.changes.shared.unwritten.lock();
        let writes = unwritten.writing.entry(instance).or_default();
        *writes += 1;
        *writes > 1 || unwritten.pending.contains(&instance)
    }

    /// Removes the instance that was added last, which has nothing to write.
    pub(crate) fn remove_last(&mut self) {
        if let Some(instance) = self.instances.pop() {
            self.changes.shared.unwritten.lock().ends(instance);
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    pub(super) fn last(&self) -> Option<InstanceId> {
        self.instances.last().copied()
    }

    /// The instances, which are no longer pending. The leases must be read after this call.
    pub(crate) fn begin(&self) -> Vec<InstanceId> {
        let mut unwritten = self.changes.shared.unwritten.lock();
        for instance in &self.instances {
            unwritten.pending.remove(instance);
        }
        self.instances.clone()
    }

    /// Ends the write: its instances are durable.
    pub(crate) fn succeeded(mut self) {
        let instances = mem::take(&mut self.instances);
        let mut unwritten = self.changes.shared.unwritten.lock();
        instances.into_iter().for_each(|it| unwritten.ends(it));
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.instances.is_empty() {
            return;
        }
        let mut unwritten = self.changes.shared.unwritten.lock();
        for instance in &self.instances {
            unwritten.pending.insert(*instance);
            unwritten.ends(*instance);
        }
        drop(unwritten);
        self.changes.shared.wake.notify_one();
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
            let write = changes.next(None, 10).unwrap();
            assert_eq!(write.begin(), expected);
            assert!(changes.next(None, 10).is_none());
        }
    }

    #[test]
    fn an_instance_is_unwritten_until_a_write_that_began_after_its_change_has_succeeded() {
        let changes = Changes::new(false);
        let is_unwritten = || {
            let mut write = changes.write();
            let is_unwritten = write.add(id(1));
            write.remove_last();
            is_unwritten
        };
        assert!(!is_unwritten());
        changes.insert(id(1));
        let early = changes.next(None, 1).unwrap();
        early.begin();
        changes.insert(id(1));
        let late = changes.next(None, 1).unwrap();
        late.begin();
        assert!(changes.next(None, 1).is_none());
        early.succeeded();
        assert!(is_unwritten(), "the second change is not written");
        drop(late);
        assert!(is_unwritten());
        let again = changes.next(None, 1).unwrap();
        again.begin();
        again.succeeded();
        assert!(!is_unwritten());
    }

    #[test]
    fn a_pass_over_the_pending_instances_takes_each_of_them_once() {
        let changes = Changes::new(false);
        [3, 1, 2]
            .into_iter()
            .for_each(|raw| changes.insert(id(raw)));
        let first = changes.next(None, 2).unwrap();
        assert_eq!(first.begin(), [id(1), id(2)]);
        drop(first);
        let second = changes.next(Some(id(2)), 2).unwrap();
        assert_eq!(second.begin(), [id(3)]);
        assert!(changes.next(Some(id(3)), 2).is_none());
    }
}
