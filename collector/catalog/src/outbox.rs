//! What is to be pushed to subscribers: at most one entry for each subscription, whatever happens to its service.

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

/// Subscriptions that have something to be pushed, for one sender: that of a connection, or that of all datagrams.
///
/// It holds which subscriptions are due, not what is to be sent: the sender asks for that when it sends, so a slow one sends the
/// latest state and holds no more than one entry for each subscription.
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
    pub service: ServiceKey,
    pub subscriber: Subscriber,
    /// As the subscriber wrote them, to be echoed in every push.
    pub clusters: Clusters,
    /// The client, as it calls itself.
    pub agent: Arc<str>,
    /// The application that the client belongs to, if it says so.
    pub app: Arc<str>,
    outbox: Weak<Inner>,
    due: AtomicBool,
    ended: AtomicBool,
    sent: AtomicU64,
    asked_at: AtomicI64,
}

/// What a subscription is made of.
#[derive(Clone, Debug)]
pub struct Interest<'a> {
    pub service: &'a ServiceKey,
    pub subscriber: Subscriber,
    pub clusters: Clusters,
    pub agent: &'a str,
    pub app: &'a str,
}

/// No revision: nothing was sent.
const NOTHING: u64 = u64::MAX;

impl Outbox {
    /// Waits for a subscription that has something to be sent. Of several waiting senders one gets it.
    pub async fn next(&self) -> Arc<Subscription> {
        loop {
            let added = self.0.added.notified();
            if let Some(due) = self.try_next() {
                return due;
            }
            added.await;
        }
    }

    /// A subscription that has something to be sent, if there is one now.
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
            // Before the state is read: a change from now on is due again.
            due.due.store(false, Release);
            if !due.is_ended() {
                return Some(due);
            }
        }
    }

    /// How many subscriptions are due.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.due.lock().len()
    }

    /// Whether none is due.
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
            asked_at: AtomicI64::new(now.millis()),
        })
    }

    /// Puts the subscription into its outbox, unless it is there. A sender calls this when a push failed.
    pub fn mark(self: &Arc<Self>) {
        if self.is_ended() || self.due.swap(true, AcqRel) {
            return;
        }
        if let Some(outbox) = self.outbox.upgrade() {
            outbox.due.lock().push_back(Arc::clone(self));
            outbox.added.notify_one();
        }
    }

    /// Records that the subscriber has this revision. [`crate::Catalog::push`] gives nothing until there is another.
    pub fn sent(&self, revision: u64) {
        self.sent.store(revision, Release);
    }

    /// Records that a push was lost: the next one is sent even if nothing has changed.
    pub fn lost(self: &Arc<Self>) {
        self.sent.store(NOTHING, Release);
        self.mark();
    }

    /// Whether the subscriber has this revision.
    #[must_use]
    pub fn has(&self, revision: u64) -> bool {
        self.sent.load(Acquire) == revision
    }

    /// Whether it was ended or replaced: nothing more is to be sent.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    /// When the subscriber last asked for the service.
    #[must_use]
    pub fn asked_at(&self) -> Moment {
        Moment::from_millis(self.asked_at.load(Relaxed))
    }

    pub(crate) fn asked(&self, now: Moment) {
        self.asked_at.store(now.millis(), Relaxed);
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
