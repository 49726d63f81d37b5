//! Subscriptions that are due for a push: at most one entry for each, however often its service changes.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{
            AtomicBool, AtomicI64, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
};

use parking_lot::Mutex;
use rollcall_domain::{
    Moment,
    catalog::{Clusters, ServiceKey, Subscriber},
};
use tokio::sync::Notify;

/// The due subscriptions of one sender: a connection, or the sender of all datagrams.
///
/// It holds only the subscriptions. The sender reads the state when it sends, so a slow sender sends the latest state.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    due: Mutex<VecDeque<Arc<Subscription>>>,
    added: Notify,
}

/// One subscriber's interest in one service.
#[derive(Debug)]
pub struct Subscription {
    /// The service.
    pub service: ServiceKey,
    /// The client that subscribed.
    pub subscriber: Subscriber,
    /// The clusters as the subscriber wrote them, to be echoed in every push.
    pub clusters: Clusters,
    /// The user agent of the client.
    pub agent: Arc<str>,
    /// The application that the client names, if any.
    pub app: Arc<str>,
    outbox: Weak<Inner>,
    due: AtomicBool,
    ended: AtomicBool,
    sent: AtomicU64,
    renewed_at: AtomicI64,
}

/// The parts of a subscription.
#[derive(Clone, Debug)]
pub struct Interest<'a> {
    /// The service.
    pub service: &'a ServiceKey,
    /// The client that subscribes.
    pub subscriber: Subscriber,
    /// The clusters that the client names.
    pub clusters: Clusters,
    /// The name and version that the client reports.
    pub agent: &'a str,
    /// The application that the client reports.
    pub app: &'a str,
}

/// No revision was sent.
const NOTHING: u64 = u64::MAX;

impl Outbox {
    /// Waits for a due subscription. If several senders wait, one gets it.
    pub async fn next(&self) -> Arc<Subscription> {
        loop {
            let added = self.0.added.notified();
            if let Some(due) = self.try_next() {
                return due;
            }
            added.await;
        }
    }

    /// A due subscription, if there is one now.
    #[must_use]
    pub fn try_next(&self) -> Option<Arc<Subscription>> {
        loop {
            let (due, more) = {
                let mut queue = self.0.due.lock();
                (queue.pop_front()?, !queue.is_empty())
            };
            if more {
                self.0.added.notify_one();
            }
            // Cleared before the state is read, so that a later change makes it due again.
            due.due.store(false, Release);
            if !due.is_ended() {
                return Some(due);
            }
        }
    }

    /// The number of due subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.due.lock().len()
    }

    /// Whether no subscription is due.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Subscription {
    pub(crate) fn new(interest: Interest<'_>, outbox: &Outbox, now: Moment) -> Arc<Self> {
        Arc::new(Self {
            service: interest.service.clone(),
            subscriber: interest.subscriber,
            clusters: interest.clusters,
            agent: interest.agent.into(),
            app: interest.app.into(),
            outbox: Arc::downgrade(&outbox.0),
            due: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            sent: AtomicU64::new(NOTHING),
            renewed_at: AtomicI64::new(now.millis()),
        })
    }

    /// Makes the subscription due unless it is due already. A sender calls this when a push failed.
    pub fn mark(self: &Arc<Self>) {
        if self.is_ended() || self.due.swap(true, AcqRel) {
            return;
        }
        if let Some(outbox) = self.outbox.upgrade() {
            outbox.due.lock().push_back(Arc::clone(self));
            outbox.added.notify_one();
        }
    }

    /// Records that the subscriber has this revision. [`crate::Catalog::push`] returns `None` until there is another.
    pub fn sent(&self, revision: u64) {
        self.sent.store(revision, Release);
    }

    /// Records that a push was lost: the next one is sent even without a change.
    pub fn lost(self: &Arc<Self>) {
        self.sent.store(NOTHING, Release);
        self.mark();
    }

    /// Whether the subscriber has this revision.
    #[must_use]
    pub fn has(&self, revision: u64) -> bool {
        self.sent.load(Acquire) == revision
    }

    /// Whether the subscription was ended or replaced, so that nothing more is sent.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    /// When the subscriber last renewed it.
    #[must_use]
    pub fn renewed_at(&self) -> Moment {
        Moment::from_millis(self.renewed_at.load(Relaxed))
    }

    pub(crate) fn renew(&self, now: Moment) {
        self.renewed_at.store(now.millis(), Relaxed);
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Release);
    }
}

impl Subscription {
    pub(crate) fn is_same(&self, interest: &Interest<'_>) -> bool {
        self.clusters == interest.clusters && *self.agent == *interest.agent
    }
}
